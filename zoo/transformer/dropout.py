"""Dropout that is the same on one device and on many.

Reference:
    Srivastava et al. 2014.
"""

import keras
from keras import KerasTensor, layers, ops

from zoo.training import replicas


class Dropout(layers.Layer):
    """Zeroes a share of the values and scales up the rest, while training.

    A value's fate depends on its example and not on the device that holds it.

    Args:
        rate: the share.
        seeds: where the random numbers come from.
    """

    def __init__(self, rate: float, seeds: keras.random.SeedGenerator, **kwargs):
        super().__init__(**kwargs)
        self.rate = rate
        self.seeds = seeds

    def call(self, x: KerasTensor, training: bool = False) -> KerasTensor:
        if not training or self.rate == 0:
            return x
        return x * mask(x, ops.shape(x)[1:], self.rate, self.seeds)


def mask(
    x: KerasTensor, shape: tuple, rate: float, seeds: keras.random.SeedGenerator
) -> KerasTensor:
    """Return 0 for a share `rate` of values and `1 / (1 - rate)` for the others.

    Args:
        x: `(B, ...)`; gives the number of examples and the type.
        shape: of what is dropped of each example.
        rate: the share.
        seeds: where the random numbers come from.

    Returns:
        `(B, *shape)`.
    """
    drawn = replicas.own_rows(
        lambda rows: keras.random.uniform((rows, *shape), seed=seeds, dtype="float32"),
        ops.shape(x)[0],
    )
    return ops.cast(drawn >= rate, x.dtype) * (1 / (1 - rate))
