"""One model in each of its forms: how far from Keras, and how fast on this machine."""

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

import serving
from export.families.exporter import exporter_of
from export.proof import saved_model
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import Runner
from export.run import open_run
from serving.bundle.manifest import read_manifest
from serving.hub import find
from serving.runtime.session import Session

BATCH, ROUNDS, CALLS = 64, 7, 10


class Row(NamedTuple):
    """One form of the model.

    Attributes:
        form: what runs it.
        error: largest absolute difference from Keras in the first output of the first graph.
        per_second: median over rounds in which all forms take turns, at batch 64.
        unit: what is counted in `per_second`.
    """

    form: str
    error: float
    per_second: float
    unit: str


def compare(workdir: str | Path, bundle: str | Path) -> Iterator[Row]:
    """Run a model's first graph, such as a VAE's decoder, in Keras, SavedModel and ONNX Runtime.

    Args:
        workdir: of the training run.
        bundle: what `export` made of it; a SavedModel in it is optional.

    Raises:
        UsageError: there is no such run or bundle.
    """
    exporter = exporter_of(open_run(workdir))
    spec = exporter.graphs[0]
    inputs = spec.sample(BATCH, 0)
    runners = dict(_runners(spec, find(str(bundle)).directory))
    output = spec.outputs[0].name
    expected = spec.run(inputs)[output]
    errors = {form: np.abs(run(inputs)[output] - expected).max() for form, run in runners.items()}
    seconds: dict[str, list[float]] = {form: [] for form in runners}
    for _ in range(ROUNDS):
        for form, run in runners.items():
            seconds[form].append(_seconds(run, inputs))
    for form in runners:
        speed = spec.count(inputs) / statistics.median(seconds[form])
        yield Row(form, float(errors[form]), speed, exporter.content.unit)


def _runners(spec: GraphSpec, bundle: Path) -> Iterator[tuple[str, Runner]]:
    function, names = spec.function(), [port.name for port in spec.inputs]
    yield "Keras", lambda inputs: _numpy(function(*(inputs[name] for name in names)))
    if (bundle / "saved_model").is_dir():
        yield "SavedModel", saved_model.load(bundle / "saved_model")[spec.signature]
    for variant in read_manifest(bundle).variants:
        session = serving.load(bundle, variant=variant, device="cpu").sessions[spec.role]
        yield f"ONNX Runtime {variant}", partial(_first_output, session, spec.outputs[0].name)


def _first_output(session: Session, name: str, inputs: Arrays) -> Arrays:
    return {name: session.run([name], inputs)[0]}


def _numpy(outputs: dict) -> Arrays:
    return {name: value.numpy() for name, value in outputs.items()}


def _seconds(run: Callable[[Arrays], Arrays], inputs: Arrays) -> float:
    start = time.perf_counter()
    for _ in range(CALLS):
        run(inputs)
    return (time.perf_counter() - start) / CALLS
