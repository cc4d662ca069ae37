"""The ONNX variants of a model: converted, checked, compared with Keras, measured, written."""

import logging
import math
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import onnx

from export.errors import ExportError
from export.families.family import Family
from export.graph import converter
from export.graph.precision import quantize_weights, reduce_precision
from export.proof.graphs import GraphSpec
from export.proof.linter import lint
from export.proof.parity import LIMIT, Runner, prove, prove_sensitive, runner
from serving.bundle.manifest import Interface, Quality, Variant
from serving.runtime.fixed import cut, enlarged

# What a variant is called: its flavour, and its precision.
VARIANTS = {
    "fp32": ("portable", "fp32"),
    "fp16": ("portable", "fp16"),
    "int8": ("portable", "int8"),
    "static": ("static", "fp32"),
    "static-fp16": ("static", "fp16"),
    "static-int8": ("static", "int8"),
    "fused": ("fused", "fp32"),
    "fused-int8": ("fused", "int8"),
    "fused-int4": ("fused", "int4"),
}

log = logging.getLogger(__name__)
Graphs = dict[str, onnx.ModelProto]


def write_variants(family: Family, names: Sequence[str], directory: Path) -> dict[str, Variant]:
    """Write the variants that are good enough.

    The float32 graphs are made and proved in any case: the others are made of them, and measured
    against them on the same data.

    Args:
        family: the model.
        names: of `VARIANTS`.
        directory: receives `decoder.onnx`, `decoder.fp16.onnx` and so on.

    Returns:
        What the manifest says of each variant that was written.

    Raises:
        ExportError: a graph is not faithful, or no variant is good enough.
    """
    graphs = {spec.role: converter.convert(spec) for spec in family.graphs}
    exact = _Form({spec.role: spec for spec in family.graphs}, graphs)
    exact.prove(LIMIT, exact.specs)
    family.prove(exact.runners)
    log.info("fp32: within %.1e of Keras", exact.error)
    reference = family.quality(exact.runners) if set(names) != {"fp32"} else None
    written = {}
    for name in names:
        try:
            form = exact if name == "fp32" else _reduced(family, exact, *VARIANTS[name])
        except ExportError as error:
            log.warning("%s: left out", error)
            continue
        quality = reference
        if form is not exact:
            quality = _compare(family.quality(form.runners), reference)
            if not acceptable(family, name, quality, reference):
                continue
        written[name] = form.save(name, directory, quality)
    if not written:
        raise ExportError(f"{', '.join(names)}: not good enough to be written; export fp32 too")
    return written


class _Form:
    """The graphs of a model in one form: what holds of each, and how far they are from Keras."""

    def __init__(self, specs: dict[str, GraphSpec], graphs: Graphs):
        self.specs, self.graphs = specs, graphs
        self.runners: dict[str, Runner] = {}
        self.error = 0.0

    def prove(self, limit: float, portable: dict[str, GraphSpec]) -> None:
        """Lint, load and compare the graphs; they then run on what the portable ones take."""
        runners, self.error = check(self.specs.values(), self.graphs, limit)
        self.runners = {
            role: _fitting(run, portable[role].interface, self.specs[role].sizes)
            for role, run in runners.items()
        }

    def save(self, name: str, directory: Path, quality: Quality | None) -> Variant:
        """Write the graphs, and return what the manifest says of them."""
        suffix = "" if name == "fp32" else f".{name}"
        files = {role: f"{role}{suffix}.onnx" for role in self.graphs}
        for role, graph in self.graphs.items():
            onnx.save(graph, directory / files[role])
        return Variant(
            graphs=files,
            flavour=VARIANTS[name][0],
            axes=dict(ChainMap(*(spec.sizes for spec in self.specs.values()))) or None,
            nodes={role: len(graph.graph.node) for role, graph in self.graphs.items()},
            opset=converter.OPSET,
            parity=self.error,
            quality=quality,
        )


def _reduced(family: Family, exact: _Form, flavour: str, precision: str) -> _Form:
    """Make the graphs of a variant from those in float32, and check them.

    Raises:
        ExportError: the model has no such form, or it does not run.
    """
    specs, graphs = {}, {}
    for role, graph in exact.graphs.items():
        spec = exact.specs[role]
        if flavour == "fused":
            spec, graph = family.fuse(spec, graph)
        elif flavour == "static":
            spec = family.fix(spec)
            graph = converter.convert(spec)
        if precision != "fp32":
            bits = int(precision.removeprefix("int")) if flavour == "fused" else 0
            graph = (
                quantize_weights(graph, bits)
                if bits
                else reduce_precision(graph, precision, partial(family.calibration, spec))
            )
        specs[role], graphs[role] = spec, graph
    form = _Form(specs, graphs)
    form.prove(LIMIT if precision == "fp32" else math.inf, exact.specs)
    if precision == "fp32":
        family.prove(form.runners)
    return form


def _fitting(run: Runner, interface: Interface, sizes: Mapping[str, int]) -> Runner:
    """Return what runs a graph of fixed sizes on the inputs of the portable one."""
    if not sizes:
        return run
    return lambda inputs: cut(run(enlarged(inputs, interface, sizes)), inputs, interface, sizes)


def check(
    specs: Iterable[GraphSpec], graphs: Graphs, limit: float
) -> tuple[dict[str, Runner], float]:
    """Lint, load and compare graphs; return what runs them, and their largest error.

    Raises:
        ExportError: a graph is not valid ONNX, not faithful, or deaf to its input.
    """
    runners, worst = {}, 0.0
    for spec in specs:
        lint(graphs[spec.role], spec)
        run = runner(graphs[spec.role])
        worst = max(worst, prove(run, spec, limit=limit))
        prove_sensitive(run, spec)
        runners[spec.role] = run
    return runners, worst


def acceptable(family: Family, name: str, quality: Quality, reference: Quality) -> bool:
    """Tell whether a variant is as good as float32, within what it may lose; log the verdict."""
    allowed = family.tolerance(VARIANTS[name][1], reference)
    change = f"{name}: {quality.metric} {quality.value:.4f}, {quality.change:+.4f} against fp32"
    if abs(quality.change) <= allowed:
        log.info(change)
        return True
    log.warning("%s, over %.2g: left out", change, allowed)
    return False


def _compare(quality: Quality, reference: Quality) -> Quality:
    return quality.model_copy(update={"change": quality.value - reference.value})
