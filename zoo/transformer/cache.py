"""Keys and values of what has been read: a cache that grows, or one of fixed size, filled in place.

That of fixed size is for devices that take no shapes that change: what it is written with and read
by is arithmetic on its positions alone, and never asks how large something is.
"""

import keras
import numpy as np
from keras import KerasTensor, ops


def extended(cache: KerasTensor, new: KerasTensor, slots: KerasTensor | None) -> KerasTensor:
    """Return keys or values with those of the tokens that were just read.

    Args:
        cache: `(B, heads, S, D)`.
        new: `(B, heads, T, D)`.
        slots: of `slots_of`, to write them into the cache; None to put them behind it.

    Returns:
        `(B, heads, S, D)`, or `(B, heads, S + T, D)`.

    Example:
        >>> cache, new = np.zeros((1, 1, 4, 1)), np.array([[[[5.0]]]])
        >>> extended(cache, new, slots_of(np.array([[2]]), heads=1)).numpy().ravel().tolist()
        [0.0, 0.0, 5.0, 0.0]
    """
    if slots is None:
        return ops.concatenate([cache, new], axis=2)
    return ops.scatter_update(cache, slots, new)


def slots_of(positions: KerasTensor, heads: int) -> KerasTensor:
    """Return where keys and values are written: row, head and position, `(B, heads, T, 3)`.

    Args:
        positions: of the tokens, `(B, T)`, those of a row all different.
        heads: of keys and values.
    """
    positions = ops.convert_to_tensor(positions)
    kind = keras.backend.standardize_dtype(positions.dtype)
    by_row, by_head, by_position = np.eye(3, dtype=kind)
    # Rows are counted, as their number must not be asked for.
    rows = ops.cumsum(ops.cast(positions[:, :1] >= 0, kind), axis=0) - 1  # (B, 1)
    return (
        ops.expand_dims(rows, (2, 3)) * by_row  # (B, 1, 1, 3)
        + np.arange(heads, dtype=kind)[:, None, None] * by_head  # (heads, 1, 3)
        + ops.expand_dims(positions, (1, 3)) * by_position  # (B, 1, T, 3)
    )
