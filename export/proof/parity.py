"""The proof of an export: the same inputs give the same outputs, and the noise matters."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from export.errors import ExportError
from export.proof.graphs import Arrays, GraphSpec
from serving.errors import first_line
from serving.runtime.allocation import giving_back
from serving.runtime.session import Session

LIMIT = 1e-4
FLIPPED = 1e-3  # share of whole numbers that rounding may move to a neighbour

Runner = Callable[[Arrays], Arrays]


def runner(model: onnx.ModelProto | Path) -> Runner:
    """Return a function that runs an ONNX graph on ONNX Runtime's CPU provider.

    Raises:
        ExportError: ONNX Runtime does not load the graph.
    """
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        with giving_back():
            session = onnxruntime.InferenceSession(
                source, options, providers=["CPUExecutionProvider"]
            )
    except Exception as error:  # its exceptions share no base but Exception
        raise ExportError(f"ONNX Runtime does not load the graph: {first_line(error)}") from error
    names = [output.name for output in session.get_outputs()]
    return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))


def session_runners(served: Any) -> dict[str, Runner]:
    """Return what runs each graph of a model that `serving.load` has loaded, by role."""

    def runner(role: str, session: Session) -> Runner:
        names = [port.name for port in served.manifest.interface[role].outputs]
        return lambda inputs: dict(zip(names, session.run(names, inputs), strict=True))

    return {role: runner(role, session) for role, session in served.sessions.items()}


def prove(run: Runner, spec: GraphSpec, *, limit: float = LIMIT) -> float:
    """Compare an export with its Keras model over its trials.

    Args:
        run: the export.
        spec: the graph and its Keras model.
        limit: the largest absolute error allowed in an output within [-1, 1]. An output that
            reaches further (logits, log variances) is allowed as much more as its largest value:
            float32 holds seven digits, not seven decimals. Of outputs that are whole numbers, as
            codes are, one in a thousand may differ, unless there is no limit.

    Returns:
        The largest absolute error in any output; of whole numbers, the share that differs.

    Raises:
        ExportError: an output is missing, has another shape, is not finite, or differs too much.
    """
    worst, flips = 0.0, _Flips()
    for trial, inputs, expected in spec.compared():
        actual, counted = run(inputs), spec.counted(inputs)
        for port in spec.outputs:
            where = f"{spec.role}: output {port.name!r} at {trial}"
            if expected[port.name].dtype.kind in "iu":
                flips.count(port.name, expected[port.name], actual.get(port.name), where)
                continue
            weights = counted.get(port.name, np.ones(1))
            edge = spec.edges.get(port.name, 0.0)
            error = _error(expected[port.name], actual.get(port.name), weights, where, edge)
            allowed = limit * max(1.0, float(np.abs(expected[port.name]).max()))
            if not (error <= allowed and np.isfinite(error)):
                raise ExportError(
                    f"{where} differs from Keras by {error:.2g}; at most {allowed:.2g} is allowed"
                )
            worst = max(worst, error)
    return max(worst, flips.share(spec.role, min(1.0, limit / LIMIT * FLIPPED)))


def prove_sensitive(run: Runner, spec: GraphSpec, rows: int = 32) -> None:
    """Check that the output follows the input that drives it, row by row.

    Noise drawn inside a graph is folded into a constant: the file loads and returns one sample for
    ever. Parity cannot see that, where Keras itself was traced with that noise.

    Raises:
        ExportError: changing the input leaves the output as it was.
    """
    if spec.sensitivity is None:
        return
    source, target = spec.sensitivity
    before = spec.sample(rows, 0)
    after = before | {source: spec.sample(rows, 1)[source]}
    changed = _rows_that_differ(before[source], after[source])
    if not changed.any():
        raise ExportError(f"{spec.role}: the samples of {source!r} are all alike")
    followed = _rows_that_differ(run(before)[target], run(after)[target])
    if not followed[changed].all():
        raise ExportError(
            f"{spec.role}: output {target!r} does not change with {source!r}: it has become a "
            "constant; if noise is drawn inside the graph, take it as an input"
        )


def _rows_that_differ(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first != second).reshape(len(first), -1).any(axis=1)


class _Flips:
    """Whole numbers that differ from Keras's, of all trials together."""

    def __init__(self) -> None:
        self._different: Counter[str] = Counter()
        self._all: Counter[str] = Counter()

    def count(
        self, output: str, expected: np.ndarray, actual: np.ndarray | None, where: str
    ) -> None:
        """Count those of one trial."""
        found = _checked(expected, actual, where)
        self._different[output] += int(np.count_nonzero(found != expected))
        self._all[output] += expected.size

    def share(self, role: str, allowed: float) -> float:
        """Return the largest share of an output that differs.

        Raises:
            ExportError: it is more than is allowed.
        """
        worst = 0.0
        for output, count in self._all.items():
            share = self._different[output] / max(1, count)
            if share > allowed:
                raise ExportError(
                    f"{role}: output {output!r} is another number than Keras's in {share:.2%} of "
                    f"cases; at most {allowed:.2%} is allowed"
                )
            worst = max(worst, share)
        return worst


def _error(
    expected: np.ndarray, actual: np.ndarray | None, counted: np.ndarray, where: str, edge: float
) -> float:
    found = _checked(expected, actual, where)
    errors = np.abs(found.astype(np.float64) - expected) * counted
    left_out = int(edge * len(errors))
    if not left_out or not np.isfinite(errors).all():
        return float(errors.max())
    return float(np.sort(errors.reshape(len(errors), -1).max(axis=1))[:-left_out].max())


def _checked(expected: np.ndarray, actual: np.ndarray | None, where: str) -> np.ndarray:
    """Return an output, which must be of the type and shape that Keras gives."""
    if actual is None:
        raise ExportError(f"{where} is missing")
    found, wanted = (f"{array.dtype} {array.shape}" for array in (actual, expected))
    if found != wanted:
        raise ExportError(f"{where} is {found}; Keras gives {wanted}")
    return actual
