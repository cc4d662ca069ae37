"""The ONNX variants of a model: converted, checked, compared with Keras, measured, written."""

import gc
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import onnx

from export.errors import ExportError
from export.families.exporter import Exporter
from export.families.forms import Form, Made
from export.graph import converter
from export.graph.divided import write_graph
from export.graph.transposed import held_once
from export.proof.graphs import GraphSpec
from export.proof.linter import lint
from export.proof.parity import LIMIT, Runner, prove, prove_sensitive, runner
from serving.bundle.adaptable import Adaptable
from serving.bundle.manifest import Quality, Variant
from serving.bundle.records import Interface
from serving.errors import UsageError, nearest
from serving.runtime.fixed import cut, enlarged

FIRST = "fp32"  # of whose graphs all other forms are made
_LARGE = 2**26  # bytes of graphs that are not left to the garbage collector
_EXACT = Form(FIRST, lambda made: made, (), exact=True)

log = logging.getLogger(__name__)


def chosen_forms(exporter: Exporter, names: Sequence[str]) -> list[Form]:
    """Return the forms of these names, in the order of the family, each once.

    Raises:
        UsageError: the model has no form of a name.
    """
    known = {form.name: form for form in exporter.forms()}
    for name in names:
        if name not in known:
            hint = nearest(name, known) or f"; there are {', '.join(known)}"
            raise UsageError(f"unknown variant '{name}'{hint}")
    if not names:
        raise UsageError(f"no variant is given; there are {', '.join(known)}")
    return [form for name, form in known.items() if name in names]


def write_variants(
    exporter: Exporter, forms: Sequence[Form], directory: Path
) -> dict[str, Variant]:
    """Write the variants that are good enough.

    The float32 graphs are made and proved in any case: the others are made of them, and measured
    against them on the same data. Each variant is written, proved as it lies there, and let go
    before the next is made, so that a large model takes no more memory for having many.

    Args:
        exporter: of the model.
        forms: those that are wanted.
        directory: receives `decoder.onnx`, `decoder.fp16.onnx` and so on.

    Returns:
        What the manifest says of each variant that was written.

    Raises:
        ExportError: a graph is not faithful, or no variant is good enough.
    """
    specs = {spec.role: spec for spec in exporter.graphs}
    first = Made(specs, {role: converter.convert(spec) for role, spec in specs.items()})
    wanted = {form.name: form for form in forms}
    measured = wanted.keys() != {FIRST}
    large = sum(graph.ByteSize() for graph in first.graphs.values()) > _LARGE
    reference, written = None, {}
    for form in ({FIRST: _EXACT} | wanted).values():
        if large:
            gc.collect()  # graphs of the form before refer to themselves
        with TemporaryDirectory(dir=directory, prefix=f".{form.name}-") as place:
            try:
                variant = _proved(form, exporter, first, Path(place), measured)
            except ExportError as error:
                if form.name == FIRST:
                    raise
                log.warning("%s: left out", error)
                continue
            if form.name == FIRST:
                log.info("%s: within %.1e of Keras", FIRST, variant.parity)
                reference = variant.quality
            elif reference is not None and variant.quality is not None:
                quality = _compare(variant.quality, reference)
                if not acceptable(form, quality, reference):
                    continue
                variant = variant.model_copy(update={"quality": quality})
            if form.name in wanted:
                for file in variant.files:
                    (Path(place) / file).rename(directory / file)
                written[form.name] = variant
    if not written:
        raise ExportError(f"{', '.join(wanted)}: not good enough to be written; export fp32 too")
    return written


def _proved(form: Form, exporter: Exporter, first: Made, place: Path, measured: bool) -> Variant:
    """Write a variant, and compare what was written with Keras; of its memory nothing is left.

    Args:
        form: of the variant.
        exporter: of the model.
        first: the float32 graphs.
        place: receives its files.
        measured: whether its quality is measured, too.

    Raises:
        ExportError: the model has no such form, or its graphs are not faithful.
    """
    described, specs = _written(form, first, place)
    files = {role: place / file for role, file in described["graphs"].items()}
    runners, error = check(files, specs, LIMIT if form.exact else math.inf)
    # They then run on what the portable ones take.
    runners = {
        role: _fitting(run, first.specs[role].interface, specs[role].fixed)
        for role, run in runners.items()
    }
    if form.exact:
        exporter.prove(runners)
    quality = exporter.quality(runners) if measured else None
    return Variant(parity=error, quality=quality, **described)


def _written(
    form: Form, first: Made, place: Path
) -> tuple[dict[str, Any], Mapping[str, GraphSpec]]:
    """Make the graphs of a form and write them; they are not held any more.

    Returns:
        What the manifest says of them before they are proved, and what each should do, by role.
    """
    made = form.make(first)
    graphs = {role: held_once(graph) for role, graph in made.graphs.items()}
    for role, spec in made.specs.items():
        lint(graphs[role], spec)
    suffix = "" if form.name == FIRST else f".{form.name}"
    files = {role: f"{role}{suffix}.onnx" for role in graphs}
    others = {role: write_graph(graphs[role], place / file) for role, file in files.items()}
    weights = {role: other.name for role, other in others.items() if other is not None}
    axes: dict[str, int] = {}
    for spec in made.specs.values():
        axes |= spec.fixed
    described = {
        "graphs": files,
        "weights": weights or None,
        "form": form.kind,
        "axes": axes or None,
        "devices": list(form.devices),
        "nodes": {role: len(graph.graph.node) for role, graph in graphs.items()},
        "opset": max(map(_opset, graphs.values())),
        "runtimes": dict(form.runtimes),
        "adapters": _adaptable(made),
    }
    return described, made.specs


def _adaptable(made: Made) -> Adaptable | None:
    inputs = {role: list(spec.adapters) for role, spec in made.specs.items() if spec.adapters}
    return Adaptable(weights=made.weights, inputs=inputs) if inputs else None


def _opset(graph: onnx.ModelProto) -> int:
    return next(each.version for each in graph.opset_import if not each.domain)


def _fitting(run: Runner, interface: Interface, sizes: Mapping[str, int]) -> Runner:
    """Return what runs a graph of fixed sizes on the inputs of the portable one."""
    if not sizes:
        return run
    return lambda inputs: cut(run(enlarged(inputs, interface, sizes)), inputs, interface, sizes)


def check(
    files: Mapping[str, Path], specs: Mapping[str, GraphSpec], limit: float
) -> tuple[dict[str, Runner], float]:
    """Load graphs and compare them with Keras; return what runs them, and their largest error.

    Raises:
        ExportError: a graph is not valid ONNX, not faithful, or deaf to its input.
    """
    runners, worst = {}, 0.0
    for role, spec in specs.items():
        run = runner(files[role])
        worst = max(worst, prove(run, spec, limit=limit))
        prove_sensitive(run, spec)
        runners[role] = run
    return runners, worst


def acceptable(form: Form, quality: Quality, reference: Quality) -> bool:
    """Tell whether a variant is as good as float32, within what it may lose; log the verdict.

    A change for the better is never a fault, and what is exact differs by rounding.
    """
    allowed = math.inf if form.exact else form.allowed(reference)
    change = (
        f"{form.name}: {quality.metric} {quality.value:.4f}, {quality.change:+.4f} against fp32"
    )
    if quality.loss <= allowed:
        log.info(change)
        return True
    log.warning("%s, over %.2g: left out", change, allowed)
    return False


def _compare(quality: Quality, reference: Quality) -> Quality:
    return quality.model_copy(update={"change": quality.value - reference.value})
