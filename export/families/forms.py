"""Forms: the variants of a model, and how each is made of its float32 graphs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import onnx

from export.graph.precision import reduce_precision
from export.proof.graphs import Arrays, GraphSpec
from serving.bundle.manifest import Quality
from serving.bundle.records import Device

Graphs = dict[str, onnx.ModelProto]
OLDEST = {"onnxruntime": "1.17"}  # that takes opset 18 and 19


@dataclass(frozen=True)
class Made:
    """Graphs by role, and what holds of each.

    Attributes:
        weights: what adapters must be a change of, where graphs take any, as
            `zoo.training.lora.layers.fingerprint` has it.
    """

    specs: dict[str, GraphSpec]
    graphs: Graphs
    weights: str = ""


@dataclass(frozen=True)
class Form:
    """One variant of a model.

    Attributes:
        name: of the variant.
        make: of the float32 graphs; raises `ExportError` where the model has no such form.
        devices: that it suits.
        kind: what the runtime knows the graphs by.
        exact: whether they are in float32, and must be as near to Keras as the first are.
        allowed: of what is not exact; takes float32's quality, and returns how much worse this may
            be.
        runtimes: the oldest release that takes it, by runtime.
    """

    name: str
    make: Callable[[Made], Made]
    devices: tuple[Device, ...]
    kind: str = "portable"
    exact: bool = False
    allowed: Callable[[Quality], float] = lambda reference: 0.0
    runtimes: Mapping[str, str] = field(default_factory=lambda: OLDEST)


class Calibrated(Protocol):
    """Who knows real inputs of its graphs, and what a variant may lose."""

    def calibration(self, spec: GraphSpec) -> list[Arrays]: ...

    def tolerance(self, precision: str, reference: Quality) -> float: ...


def portable_forms(model: Calibrated) -> list[Form]:
    """Return the forms in standard ONNX: float32, half precision, and 8 bits."""
    return [
        Form("fp32", lambda made: made, ("cpu", "cuda", "web"), exact=True),
        reduced("fp16", model, ("cuda",)),
        reduced("int8", model, ("cpu", "web")),
    ]


def reduced(
    precision: str,
    model: Calibrated,
    devices: tuple[Device, ...],
    *,
    name: str | None = None,
    kind: str = "portable",
    before: Callable[[Made], Made] = lambda made: made,
    exact: Sequence[str] = (),
) -> Form:
    """Return a form in standard ONNX of fewer bits.

    Args:
        precision: `fp16` or `int8`.
        model: chooses the ranges of 8-bit numbers, and says what may be lost.
        devices: that it suits.
        name: of the variant; the precision unless given.
        kind: see `Form`.
        before: what is done to the float32 graphs first.
        exact: layers whose operators are not rounded to 8 bits.
    """

    def make(made: Made) -> Made:
        changed = before(made)
        graphs = {
            role: reduce_precision(graph, precision, partial(model.calibration, spec), exact)
            if (spec := changed.specs[role]).rounded
            else graph
            for role, graph in changed.graphs.items()
        }
        return Made(changed.specs, graphs)

    allowed = partial(model.tolerance, precision)
    return Form(name or precision, make, devices, kind=kind, allowed=allowed)


def keeping(roles: Sequence[str], make: Callable[[Made], Made]) -> Callable[[Made], Made]:
    """Return what makes a form of all graphs but some."""

    def made(first: Made) -> Made:
        kept = {role: graph for role, graph in first.graphs.items() if role in roles}
        others = {role: graph for role, graph in first.graphs.items() if role not in roles}
        formed = make(Made(first.specs, others))
        return Made(first.specs, formed.graphs | kept)

    return made
