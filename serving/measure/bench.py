"""Measures a loaded model on this machine: how long a batch takes, how much that is a second."""

import statistics
import time
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

import numpy as np

from serving.families.gpt import GPT
from serving.families.images import ImageModel
from serving.families.vae import VAE


class Timing(NamedTuple):
    """The median time of one call for a batch, and how many images or tokens that is a second."""

    operation: str
    batch: int
    milliseconds: float
    per_second: float
    unit: str


class Call(NamedTuple):
    """What is timed, and how many images or tokens come of it."""

    function: Callable[[], object]
    items: int


def measure(
    model: ImageModel | GPT,
    batches: list[int],
    seconds: float = 1.0,
    operations: Collection[str] | None = None,
) -> Iterator[Timing]:
    """Time each operation, or those that are named, at each batch size, for `seconds` each.

    `graph` is the bare ONNX Runtime session; `decode` and `generate` are the same plus all
    that this package adds (noise, checks, conversion to pixels). Of a language model, `read` is a
    prompt of half its window, `write` one token after it, and `generate` a text of half a window
    from a prompt of one token.

    Example:
        >>> import serving
        >>> timings = measure(serving.load("vae-mnist", device="cpu"), [1], seconds=0.01)
        >>> [timing.operation for timing in timings]
        ['graph', 'decode', 'generate', 'encode', 'reconstruct']
    """
    calls, unit = _OF_FAMILY[model.manifest.family]
    for batch in batches:
        for operation, call in calls(model, batch).items():
            if operations is not None and operation not in operations:
                continue
            median = _median_seconds(call.function, seconds)
            yield Timing(operation, batch, 1e3 * median, call.items / median, unit)


def smallest_result(model: ImageModel | GPT) -> object:
    """Return what a model can give first: an image, or a text of one token.

    Example:
        >>> import serving
        >>> smallest_result(serving.load("vae-mnist", device="cpu")).shape
        (1, 28, 28, 1)
    """
    if isinstance(model, GPT):
        return model.generate(model.tokenizer.beginning, 1, seed=0)
    return model.generate(1, [0] if model.classes else None, seed=0)


def _image_calls(model: ImageModel, batch: int) -> dict[str, Call]:
    z = np.random.default_rng(0).standard_normal((batch, model.latent_dim)).astype(np.float32)
    labels = np.arange(batch) % model.classes if model.classes else None
    feeds = {"z": z} if labels is None else {"z": z, "labels": labels}
    functions = {
        "graph": lambda: model.sessions[model.painter].run(["image"], feeds),
        "decode": lambda: model.decode(z, labels),
        "generate": lambda: model.generate(batch, labels, seed=0),
    }
    if isinstance(model, VAE):
        images = model.decode(z, labels)
        functions |= {
            "encode": lambda: model.encode(images, labels),
            "reconstruct": lambda: model.reconstruct(images, labels),
        }
    return {operation: Call(function, batch) for operation, function in functions.items()}


def _text_calls(model: GPT, batch: int) -> dict[str, Call]:
    half = max(1, model.context // 2)
    known, prompts = model.tokenizer, [model.tokenizer.beginning] * batch
    texts = np.random.default_rng(0).integers(0, model.vocabulary_size, (batch, half)).tolist()
    unending = {"logit_bias": {known.eos: -1e4}, "seed": 0}
    memory = model.new_memory(batch)
    memory.read(texts)

    def read() -> None:
        memory.forget()
        memory.read(texts)

    def write() -> None:
        memory.truncate(half)
        memory.read([text[:1] for text in texts])

    return {
        "read": Call(read, batch * half),
        "write": Call(write, batch),
        "generate": Call(lambda: model.generate(prompts, half, **unending), batch * half),
    }


_OF_FAMILY = {
    "vae": (_image_calls, "images"),
    "gan": (_image_calls, "images"),
    "transformer": (_text_calls, "tokens"),
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
