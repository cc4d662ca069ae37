"""Codes of finite scalars as the numbers that they are of, and back."""

import numpy as np


def numbers_of(codes: np.ndarray, count: int, levels: int) -> np.ndarray:
    """Return the numbers of codes, those of a code beside each other.

    Args:
        codes: int `(..., T)`, below `levels ** count`.
        count: numbers of a code.
        levels: that each can be.

    Returns:
        int32 `(..., T * count)`.

    Example:
        >>> numbers_of(np.array([[0, 5]]), count=2, levels=4).tolist()
        [[0, 0, 1, 1]]
    """
    found = codes[..., None] // levels ** np.arange(count) % levels
    return found.reshape(*codes.shape[:-1], -1).astype(np.int32)


def codes_of(numbers: np.ndarray, count: int, levels: int) -> np.ndarray:
    """Return the codes of numbers, int32 `(..., T)`; the inverse of `numbers_of`.

    Example:
        >>> codes_of(np.array([[0, 0, 1, 1]]), count=2, levels=4).tolist()
        [[0, 5]]
    """
    digits = numbers.reshape(*numbers.shape[:-1], -1, count)
    return np.asarray((digits * levels ** np.arange(count)).sum(axis=-1), np.int32)
