"""Graphs that are small enough to see through."""

import numpy as np

from export.graphs import GraphSpec
from serving.bundle import Port

SIZE = 5


def port(name, *axes, dtype="float32"):
    return Port(name=name, dtype=dtype, axes=["batch", *axes], meaning=name)


def toy(call, outputs=("image",), sensitivity=("z", "image")):
    """A graph of one input `z` `(B, 5)` and outputs `(B, 5)`, made by `call`."""
    return GraphSpec(
        role="decoder",
        signature="decode",
        call=call,
        inputs=(port("z", SIZE),),
        outputs=tuple(port(name, SIZE) for name in outputs),
        sample=lambda count, seed: {
            "z": np.random.RandomState(seed).standard_normal((count, SIZE)).astype(np.float32)
        },
        sensitivity=sensitivity,
    )
