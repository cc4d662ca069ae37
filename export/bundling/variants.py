"""The ONNX variants of a model: converted, checked, compared with Keras, measured, written."""

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import onnx

from export.errors import ExportError
from export.families.exporter import Exporter
from export.families.forms import Form, Graphs, Made
from export.graph import converter
from export.graph.divided import write_graph
from export.proof.graphs import GraphSpec
from export.proof.linter import lint
from export.proof.parity import LIMIT, Runner, prove, prove_sensitive, runner
from serving.bundle.adaptable import Adaptable
from serving.bundle.manifest import Quality, Variant
from serving.bundle.records import Interface
from serving.errors import UsageError, nearest
from serving.runtime.fixed import cut, enlarged

FIRST = "fp32"  # of whose graphs all other forms are made

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
    against them on the same data.

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
    exact = _Proved(first, LIMIT, specs)
    exporter.prove(exact.runners)
    log.info("%s: within %.1e of Keras", FIRST, exact.error)
    wanted = [form.name for form in forms]
    reference = exporter.quality(exact.runners) if set(wanted) != {FIRST} else None
    written = {}
    for form in forms:
        try:
            proved = exact if form.name == FIRST else _made(form, exporter, first, specs)
        except ExportError as error:
            log.warning("%s: left out", error)
            continue
        quality = reference
        if proved is not exact and reference is not None:
            quality = _compare(exporter.quality(proved.runners), reference)
            if not acceptable(form, quality, reference):
                continue
        written[form.name] = proved.save(form, directory, quality)
    if not written:
        raise ExportError(f"{', '.join(wanted)}: not good enough to be written; export fp32 too")
    return written


class _Proved:
    """Graphs that were linted, loaded and compared with Keras."""

    def __init__(self, made: Made, limit: float, portable: Mapping[str, GraphSpec]):
        self.made = made
        runners, self.error = check(made, limit)
        # They then run on what the portable ones take.
        self.runners = {
            role: _fitting(run, portable[role].interface, made.specs[role].fixed)
            for role, run in runners.items()
        }

    def save(self, form: Form, directory: Path, quality: Quality | None) -> Variant:
        """Write the graphs, and return what the manifest says of them."""
        suffix = "" if form.name == FIRST else f".{form.name}"
        graphs = self.made.graphs
        files = {role: f"{role}{suffix}.onnx" for role in graphs}
        nodes = {role: len(graph.graph.node) for role, graph in graphs.items()}
        opset = max(_opset(graph) for graph in graphs.values())
        written = {
            role: write_graph(graphs[role], directory / file) for role, file in files.items()
        }
        weights = {role: file.name for role, file in written.items() if file is not None}
        axes: dict[str, int] = {}
        for spec in self.made.specs.values():
            axes |= spec.fixed
        return Variant(
            graphs=files,
            weights=weights or None,
            form=form.kind,
            axes=axes or None,
            devices=list(form.devices),
            nodes=nodes,
            opset=opset,
            parity=self.error,
            runtimes=dict(form.runtimes),
            quality=quality,
            adapters=_adaptable(self.made),
        )


def _adaptable(made: Made) -> Adaptable | None:
    inputs = {role: list(spec.adapters) for role, spec in made.specs.items() if spec.adapters}
    return Adaptable(weights=made.weights, inputs=inputs) if inputs else None


def _opset(graph: onnx.ModelProto) -> int:
    return next(each.version for each in graph.opset_import if not each.domain)


def _made(
    form: Form, exporter: Exporter, first: Made, portable: Mapping[str, GraphSpec]
) -> _Proved:
    """Make the graphs of a form from those in float32, and check them.

    Raises:
        ExportError: the model has no such form, or it does not run.
    """
    proved = _Proved(form.make(first), LIMIT if form.exact else math.inf, portable)
    if form.exact:
        exporter.prove(proved.runners)
    return proved


def _fitting(run: Runner, interface: Interface, sizes: Mapping[str, int]) -> Runner:
    """Return what runs a graph of fixed sizes on the inputs of the portable one."""
    if not sizes:
        return run
    return lambda inputs: cut(run(enlarged(inputs, interface, sizes)), inputs, interface, sizes)


def check(made: Made, limit: float) -> tuple[dict[str, Runner], float]:
    """Lint, load and compare graphs; return what runs them, and their largest error.

    Raises:
        ExportError: a graph is not valid ONNX, not faithful, or deaf to its input.
    """
    runners, worst = {}, 0.0
    for role, spec in made.specs.items():
        lint(made.graphs[role], spec)
        run = runner(made.graphs[role])
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


__all__ = ["Graphs", "acceptable", "check", "chosen_forms", "write_variants"]
