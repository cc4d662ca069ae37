"""Measures a loaded model on this machine: how long a batch takes, how much that is a second."""

import statistics
import time
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from serving import registry
from serving.families.model import Model


class Timing(NamedTuple):
    """The median time of one call for a batch, and how many images or tokens that is a second."""

    operation: str
    batch: int
    milliseconds: float
    per_second: float
    unit: str


def measure(
    model: Model,
    batches: list[int],
    seconds: float = 1.0,
    operations: Collection[str] | None = None,
) -> Iterator[Timing]:
    """Time each operation, or those that are named, at each batch size, for `seconds` each.

    What is timed is the family's to say (`timed` of its runtime). Of images `graph` is the bare
    ONNX Runtime session; `decode` and `generate` are the same plus all that this package adds
    (noise, checks, conversion to pixels). Of a language model, `read` is a prompt of half its
    window, `write` one token after it, and `generate` a text of half a window from a prompt of one
    token.

    Example:
        >>> import serving
        >>> timings = measure(serving.load("vae-mnist", device="cpu"), [1], seconds=0.01)
        >>> [timing.operation for timing in timings]
        ['graph', 'decode', 'generate', 'encode', 'reconstruct']
    """
    unit = registry.content(model.manifest.content).unit
    for batch in batches:
        for operation, timed in model.timed(batch).items():
            if operations is None or operation in operations:
                median = _median_seconds(timed.function, seconds)
                yield Timing(operation, batch, 1e3 * median, timed.items / median, unit)


def _median_seconds(call: Callable[[], object], seconds: float) -> float:
    for _ in range(3):  # the first calls allocate
        call()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 5:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
