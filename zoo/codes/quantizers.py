"""From numbers to codes and back; the gradient goes straight through."""

import math
from abc import ABC, abstractmethod

import numpy as np
from keras import KerasTensor, initializers, layers, ops

from zoo.codes.config import CodesConfig

SLACK = 1e-3  # by which the outermost levels are reached before the bound is
COMMITMENT = 0.25  # of the encoder to the vector it is next to


class Quantizer(layers.Layer, ABC):
    """Tells numbers `(..., D)` by codes, and says what each code stands for."""

    @abstractmethod
    def codes(self, x: KerasTensor) -> KerasTensor:
        """Return the code of each, int32 `(...)`."""

    @abstractmethod
    def table(self) -> KerasTensor:
        """Return the numbers that each code stands for, `(V, D)`."""

    @abstractmethod
    def call(self, x: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        """Return the numbers that the codes stand for, and the loss of each, `(..., D)`."""

    def values(self, codes: KerasTensor) -> KerasTensor:
        """Return the numbers that codes stand for."""
        return ops.take(self.table(), codes, axis=0)


class FiniteScalars(Quantizer):
    """Rounds each coordinate to one of a few levels: no code is learned, and none is lost.

    Reference:
        Mentzer et al. 2023, Finite Scalar Quantization (arXiv:2309.15505).

    Example:
        >>> layer = FiniteScalars((3, 2))
        >>> layer.codes(np.array([[-9.0, -9.0], [0.0, 9.0], [9.0, 9.0]])).numpy().tolist()
        [0, 4, 5]
    """

    def __init__(self, levels: tuple[int, ...], **kwargs):
        super().__init__(**kwargs)
        self.levels = np.array(levels)
        self.half = (self.levels // 2).astype("float32")
        self.reach = ((self.levels - 1) * (1 + SLACK) / 2).astype("float32")
        # An even number of levels lies half a step to the side, so that 0 is one of them.
        self.offset = np.where(self.levels % 2, 0.0, 0.5).astype("float32")
        self.shift = np.arctanh(self.offset / self.reach)
        self.radix = np.cumprod([1, *levels[:-1]]).astype("int32")

    def call(self, x: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        bounded = self._bounded(x)
        rounded = bounded + ops.stop_gradient(ops.round(bounded) - bounded)
        return rounded / self.half, ops.zeros_like(x)

    def codes(self, x: KerasTensor) -> KerasTensor:
        digits = ops.cast(ops.round(self._bounded(x)) + self.half, "int32")
        return ops.sum(digits * self.radix, axis=-1)

    def table(self) -> KerasTensor:
        digits = np.arange(math.prod(self.levels))[:, None] // self.radix % self.levels
        return ops.convert_to_tensor((digits / self.half - 1).astype("float32"))

    def _bounded(self, x: KerasTensor) -> KerasTensor:
        x = ops.cast(x, "float32")
        return ops.tanh(x + self.shift) * self.reach - self.offset


class NearestVectors(Quantizer):
    """Takes the nearest of many vectors, which are a linear map of fixed ones (SimVQ).

    The map moves all vectors at once, so that none is left behind unused.

    References:
        van den Oord et al. 2017 (arXiv:1711.00937); Zhu et al. 2024, SimVQ (arXiv:2411.02038).

    Example:
        >>> NearestVectors(8, 2).codes(np.zeros((5, 2), "float32")).shape
        TensorShape([5])
    """

    def __init__(self, vectors: int, dimensions: int, **kwargs):
        super().__init__(**kwargs)
        self.fixed = self.add_weight(
            (vectors, dimensions),
            initializers.RandomNormal(stddev=dimensions**-0.5, seed=0),
            trainable=False,
            name="fixed",
        )
        self.map = layers.Dense(dimensions, use_bias=False, dtype=self.dtype_policy, name="map")
        self.map.build((None, dimensions))

    def call(self, x: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        nearest = self.values(self.codes(x))
        towards = ops.square(ops.stop_gradient(x) - nearest)
        loss = towards + COMMITMENT * ops.square(x - ops.stop_gradient(nearest))
        return x + ops.stop_gradient(nearest - x), loss

    def codes(self, x: KerasTensor) -> KerasTensor:
        table = self.table()
        distance = ops.sum(ops.square(table), axis=-1) - 2 * ops.matmul(x, ops.transpose(table))
        return ops.cast(ops.argmin(distance, axis=-1), "int32")

    def table(self) -> KerasTensor:
        return self.map(self.fixed)


def quantizer(config: CodesConfig) -> Quantizer:
    """Return the quantizer that a configuration names."""
    if config.quantizer == "fsq":
        return FiniteScalars(config.levels, name="quantizer", dtype="float32")
    return NearestVectors(config.vectors, config.dimensions, name="quantizer", dtype="float32")
