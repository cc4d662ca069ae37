"""Rotary positions: a query and a key meet at an angle that tells how far apart they are.

Reference:
    Su et al. 2021, RoFormer (arXiv:2104.09864).
"""

import numpy as np
from keras import KerasTensor, ops


class Rotary:
    """The angles of each position, as tables of cosines and sines.

    Args:
        context: number of positions.
        head_size: width D of a head, even.
        base: the slowest pair of values turns once in about this many positions.

    Example:
        >>> cosine, sine = Rotary(8, head_size=4, base=100.0)(np.array([[0, 7]]))
        >>> cosine.shape, float(cosine[0, 0, 0, 0])
        (TensorShape([1, 1, 2, 2]), 1.0)
    """

    def __init__(self, context: int, head_size: int, base: float):
        frequencies = base ** -(np.arange(0, head_size, 2) / head_size)  # (D / 2,)
        angles = np.outer(np.arange(context), frequencies)  # (context, D / 2)
        self.cosine = np.cos(angles).astype(np.float32)
        self.sine = np.sin(angles).astype(np.float32)

    def __call__(self, positions: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
        """Return cosine and sine, `(B, 1, T, D / 2)` each, of positions `(B, T)`."""
        return (
            ops.expand_dims(ops.take(self.cosine, positions, axis=0), 1),
            ops.expand_dims(ops.take(self.sine, positions, axis=0), 1),
        )


def rotated(x: KerasTensor, rotary: tuple[KerasTensor, KerasTensor]) -> KerasTensor:
    """Rotate pairs of values, value i with value i + D / 2, by the angles of their position.

    Args:
        x: `(B, heads, T, D)`.
        rotary: cosine and sine, `(B, 1, T, D / 2)` or 1 for B.

    Returns:
        `(B, heads, T, D)`.
    """
    cosine, sine = rotary
    first, second = ops.split(x, 2, axis=-1)  # (B, heads, T, D / 2) each
    return ops.concatenate(
        [first * cosine - second * sine, second * cosine + first * sine], axis=-1
    )
