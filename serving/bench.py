"""Measures a loaded model on this machine: how long a batch takes, and images per second."""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from serving.vae import VAE


class Timing(NamedTuple):
    """The median time of one call for a batch."""

    operation: str
    batch: int
    milliseconds: float
    images_per_second: float


def measure(model: VAE, batches: list[int], seconds: float = 1.0) -> Iterator[Timing]:
    """Time each operation at each batch size, for about `seconds` each.

    `decoder graph` is the bare ONNX Runtime session; `decode` and `generate` are the same plus all
    that this package adds (noise, checks, conversion to pixels).

    Example:
        >>> import serving
        >>> timings = measure(serving.load("vae-mnist", device="cpu"), [1], seconds=0.01)
        >>> [timing.operation for timing in timings]
        ['decoder graph', 'decode', 'generate', 'encode', 'reconstruct']
    """
    for batch in batches:
        for operation, call in _calls(model, batch).items():
            median = _median_seconds(call, seconds)
            yield Timing(operation, batch, 1e3 * median, batch / median)


def _calls(model: VAE, batch: int) -> dict[str, Callable[[], object]]:
    z = np.random.default_rng(0).standard_normal((batch, model.latent_dim)).astype(np.float32)
    labels = np.arange(batch) % model.classes if model.classes else None
    images = model.decode(z, labels)
    feeds = {"z": z} if labels is None else {"z": z, "labels": labels}
    return {
        "decoder graph": lambda: model.sessions["decoder"].run(["image"], feeds),
        "decode": lambda: model.decode(z, labels),
        "generate": lambda: model.generate(batch, labels, seed=0),
        "encode": lambda: model.encode(images, labels),
        "reconstruct": lambda: model.reconstruct(images, labels),
    }


def _median_seconds(call: Callable[[], object], seconds: float) -> float:
    for _ in range(3):  # the first calls allocate
        call()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 5:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)
