"""Paths between latents."""

import numpy as np


def spherical(start: np.ndarray, end: np.ndarray, steps: int) -> np.ndarray:
    """Walk along arcs, on which points keep the length of typical Gaussian latents.

    Args:
        start, end: `(B, D)`.
        steps: points of each arc, both ends included.

    Returns:
        float32 `(B, steps, D)`.

    Reference:
        White 2016 (arXiv:1609.04468).

    Example:
        >>> spherical(np.float32([[1, 0]]), np.float32([[0, 1]]), steps=3).round(2)[0, 1]
        array([0.71, 0.71], dtype=float32)
    """
    lengths = np.linalg.norm(start, axis=-1) * np.linalg.norm(end, axis=-1)
    cosine = np.sum(start * end, axis=-1) / np.maximum(lengths, 1e-12)
    angle = np.arccos(np.clip(cosine, -1, 1))[:, None, None]  # (B, 1, 1)
    share = np.linspace(0, 1, steps)[:, None]  # (steps, 1)
    # For one direction, or two opposite ones, there is no arc; take the straight line.
    straight = np.sin(angle) < 1e-4
    sine = np.where(straight, 1.0, np.sin(angle))
    first = np.where(straight, 1 - share, np.sin((1 - share) * angle) / sine)
    last = np.where(straight, share, np.sin(share * angle) / sine)
    walk = first * start[:, None] + last * end[:, None]  # (B, steps, D)
    return np.asarray(walk, np.float32)


def shares(start: int, end: int, classes: int, steps: int) -> np.ndarray:
    """Walk from one class to another, in shares of each class.

    Returns:
        float32 `(steps, classes)`; both ends are one class alone.

    Example:
        >>> shares(0, 2, classes=3, steps=3).tolist()
        [[1.0, 0.0, 0.0], [0.5, 0.0, 0.5], [0.0, 0.0, 1.0]]
    """
    ends = np.eye(classes, dtype=np.float32)
    share = np.linspace(0, 1, steps, dtype=np.float32)[:, None]
    return np.asarray((1 - share) * ends[start] + share * ends[end])
