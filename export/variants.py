"""The ONNX variants of a model: converted, checked, compared with Keras, measured, written."""

import logging
import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import onnx

from export import converter
from export.errors import ExportError
from export.family import Family
from export.linter import lint
from export.parity import LIMIT, Runner, prove, prove_sensitive, runner
from export.precision import reduce_precision
from serving.bundle import Quality, Variant

# How far the model's own metric may move, as a fraction of it, before a variant is left out.
QUALITY_LIMIT = 0.01

log = logging.getLogger(__name__)
Graphs = dict[str, onnx.ModelProto]


def write_variants(family: Family, names: Sequence[str], directory: Path) -> dict[str, Variant]:
    """Write the variants that are good enough.

    The float32 graphs are made and proved in any case: the others are made of them, and measured
    against them on the same data.

    Args:
        family: the model.
        names: of `export.precision.VARIANTS`.
        directory: receives `decoder.onnx`, `decoder.fp16.onnx` and so on.

    Returns:
        What the manifest says of each variant that was written.

    Raises:
        ExportError: a graph is not faithful, or no variant is good enough.
    """
    exact = {spec.role: converter.convert(spec) for spec in family.graphs}
    runners, error = check(family, exact, LIMIT)
    family.prove(runners)
    log.info("fp32: within %.1e of Keras", error)
    reference = family.quality(runners) if set(names) != {"fp32"} else None
    written = {}
    for name in names:
        if name == "fp32":
            written[name] = _save(exact, name, directory, error, reference)
            continue
        try:
            graphs = {
                spec.role: reduce_precision(
                    exact[spec.role], name, partial(family.calibration, spec)
                )
                for spec in family.graphs
            }
        except ExportError as error:
            log.warning("%s: left out", error)
            continue
        runners, reduced_error = check(family, graphs, math.inf)
        quality = _compare(family.quality(runners), reference)
        if acceptable(name, quality, reference):
            written[name] = _save(graphs, name, directory, reduced_error, quality)
    if not written:
        raise ExportError(f"{', '.join(names)}: not good enough to be written; export fp32 too")
    return written


def check(family: Family, graphs: Graphs, limit: float) -> tuple[dict[str, Runner], float]:
    """Lint, load and compare graphs; return what runs them, and their largest error.

    Raises:
        ExportError: a graph is not valid ONNX, not faithful, or deaf to its input.
    """
    runners, worst = {}, 0.0
    for spec in family.graphs:
        lint(graphs[spec.role], spec)
        run = runner(graphs[spec.role])
        worst = max(worst, prove(run, spec, limit=limit))
        prove_sensitive(run, spec)
        runners[spec.role] = run
    return runners, worst


def acceptable(name: str, quality: Quality, reference: Quality) -> bool:
    """Tell whether a variant is as good as float32, within `QUALITY_LIMIT`; log the verdict."""
    change = f"{name}: {quality.metric} {quality.value:.4f}, {quality.change:+.4f} against fp32"
    if abs(quality.change) <= QUALITY_LIMIT * abs(reference.value):
        log.info(change)
        return True
    log.warning("%s, over %.0f%%: left out", change, 100 * QUALITY_LIMIT)
    return False


def _compare(quality: Quality, reference: Quality) -> Quality:
    return quality.model_copy(update={"change": quality.value - reference.value})


def _save(
    graphs: Graphs, name: str, directory: Path, error: float, quality: Quality | None
) -> Variant:
    suffix = "" if name == "fp32" else f".{name}"
    files = {role: f"{role}{suffix}.onnx" for role in graphs}
    for role, graph in graphs.items():
        onnx.save(graph, directory / files[role])
    return Variant(graphs=files, opset=converter.OPSET, parity=error, quality=quality)
