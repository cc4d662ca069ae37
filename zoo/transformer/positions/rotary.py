"""Rotary positions: a query and a key meet at an angle that tells how far apart they are.

Reference:
    Su et al. 2021, RoFormer (arXiv:2104.09864).
"""

import numpy as np
from keras import KerasTensor, ops

from zoo.transformer.positions.scaling import RotaryScaling


class Rotary:
    """The angles of each position, as tables of cosines and sines.

    Args:
        context: number of positions.
        width: number R of values of a head that are turned, even.
        base: the slowest pair of values turns once in about this many positions.
        scaling: how the angles are stretched, if they are.

    Example:
        >>> cosine, sine = Rotary(8, width=4, base=100.0)(np.array([[0, 7]]))
        >>> cosine.shape, float(cosine[0, 0, 0, 0])
        (TensorShape([1, 1, 2, 2]), 1.0)
    """

    def __init__(self, context: int, width: int, base: float, scaling: RotaryScaling | None = None):
        frequencies = base ** -(np.arange(0, width, 2) / width)  # (R / 2,)
        amplitude = 1.0
        if scaling is not None:
            frequencies, amplitude = scaling.scaled(frequencies, base), scaling.amplitude
        angles = np.outer(np.arange(context), frequencies)  # (context, R / 2)
        self.cosine = (amplitude * np.cos(angles)).astype(np.float32)
        self.sine = (amplitude * np.sin(angles)).astype(np.float32)

    def __call__(self, positions: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        """Return cosine and sine, `(B, 1, T, R / 2)` each, of positions `(B, T)`."""
        return (
            ops.expand_dims(ops.take(self.cosine, positions, axis=0), 1),
            ops.expand_dims(ops.take(self.sine, positions, axis=0), 1),
        )


def rotated(x: KerasTensor, rotary: tuple[KerasTensor, KerasTensor]) -> KerasTensor:
    """Rotate pairs of values, value i with value i + R / 2, by the angles of their position.

    Args:
        x: `(B, heads, T, D)`; only the first R values of each head are turned.
        rotary: cosine and sine, `(B, 1, T, R / 2)` or 1 for B.

    Returns:
        `(B, heads, T, D)`.
    """
    cosine, sine = rotary
    width = 2 * cosine.shape[-1]
    rest = [] if width == x.shape[-1] else [x[..., width:]]  # (B, heads, T, D - R)
    first, second = ops.split(x[..., :width] if rest else x, 2, axis=-1)  # (B, heads, T, R / 2)
    return ops.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine, *rest], axis=-1
    )
