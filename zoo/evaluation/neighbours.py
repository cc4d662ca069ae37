"""How two sets of features cover each other, by balls around each to its k-th nearest neighbour.

Features are `(N, F)` and `(M, F)`. Distances are taken a block of rows at a time, in memory that
grows with N + M only.
"""

from collections.abc import Iterator

import numpy as np

ROWS = 500  # of a matrix of distances at once


def precision(generated: np.ndarray, real: np.ndarray, k: int = 3) -> float:
    """Share of generated features that lie in the ball of some real one; recall, with sets swapped.

    Reference:
        Kynkaanniemi et al. 2019 (arXiv:1904.06991), eq. 1 and 2.

    Example:
        >>> precision(np.array([[0.1], [9.0]]), np.arange(5.0)[:, None])
        0.5
    """
    radii = squared_radii(real, k)
    inside = [np.any(block <= radii, axis=1) for block in squared_distances(generated, real)]
    return float(np.concatenate(inside).mean())


def density(generated: np.ndarray, real: np.ndarray, k: int = 5) -> float:
    """Mean number of real balls around a generated feature, over k; about 1 for one distribution.

    Reference:
        Naeem et al. 2020 (arXiv:2002.09797), eq. 3.
    """
    radii = squared_radii(real, k)
    total = sum(np.sum(block <= radii) for block in squared_distances(generated, real))
    return float(total / (k * len(generated)))


def coverage(generated: np.ndarray, real: np.ndarray, k: int = 5) -> float:
    """Share of real features with a generated one in their ball.

    Reference:
        Naeem et al. 2020 (arXiv:2002.09797), eq. 4.

    Example:
        >>> coverage(np.array([[0.1]]), np.arange(10.0)[:, None], k=1)
        0.2
    """
    nearest = np.concatenate([b.min(axis=1) for b in squared_distances(real, generated)])
    return float(np.mean(nearest <= squared_radii(real, k)))


def diversity(features: np.ndarray) -> float:
    """Root of the mean squared distance between two different features; 0 for a single image.

    Example:
        >>> diversity(np.array([[0.0], [2.0]]))
        2.0
    """
    variance = np.var(features, axis=0, ddof=1, dtype=np.float64).sum()
    return float(np.sqrt(2 * variance))


def squared_radii(features: np.ndarray, k: int) -> np.ndarray:
    """Return the squared distance of each feature to its k-th nearest other one, `(N,)`.

    Fewer than k others make do with the farthest.
    """
    k = min(k, len(features) - 1)
    radii = [
        np.partition(block, k, axis=1)[:, k] for block in squared_distances(features, features)
    ]  # the nearest of all, at 0, is the feature itself
    # What lies on the edge is inside, even when rounding says otherwise.
    return np.concatenate(radii) + 1e-10 * np.square(features, dtype=np.float64).sum(axis=1).max()


def squared_distances(first: np.ndarray, second: np.ndarray) -> Iterator[np.ndarray]:
    """Yield blocks of rows of the squared distances `(N, M)`, float64."""
    second = second.astype(np.float64)
    norms = np.square(second).sum(axis=1)
    for start in range(0, len(first), ROWS):
        rows = first[start : start + ROWS].astype(np.float64)
        products = rows @ second.T
        yield np.maximum(np.square(rows).sum(axis=1)[:, None] + norms - 2 * products, 0)
