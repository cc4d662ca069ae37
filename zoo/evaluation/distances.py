"""Distances between two sets of features: each of one number, 0 for one distribution.

A distance over the features of a network other than Inception is no FID and is not called so.
"""

import numpy as np

from serving.errors import UsageError

BLOCK = 1000  # features of each set that a block of the kernel distance has, at most


def frechet_distance(first: np.ndarray, second: np.ndarray) -> float:
    """Squared Frechet distance of the Gaussians with the sets' means and covariances.

    It is biased upwards, the more the fewer features there are; compare equal counts only.

    Args:
        first, second: features, `(N, F)` and `(M, F)`, at least 2 of each.

    Returns:
        `|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))`, at least 0.

    Raises:
        UsageError: a set has fewer than 2, which have no covariance.

    Reference:
        Heusel et al. 2017 (arXiv:1706.08500), eq. 6; Dowson and Landau 1982.

    Example:
        >>> points = np.array([[-1.0], [1.0]])
        >>> round(frechet_distance(points, points + 3), 6)
        9.0
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if min(len(first), len(second)) < 2:
        raise UsageError(
            f"there are {len(first)} and {len(second)} features; a covariance takes 2 of each"
        )
    difference = first.mean(axis=0) - second.mean(axis=0)
    one, two = (np.atleast_2d(np.cov(values, rowvar=False)) for values in (first, second))
    # tr (S1 S2)^(1/2) is that of the symmetric R S2 R with R = S1^(1/2), whose eigenvalues are
    # real and not negative but for rounding.
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    common = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ two @ root), 0)).sum()
    distance = difference @ difference + np.trace(one) + np.trace(two) - 2 * common
    return float(max(distance, 0.0))


def kernel_distance(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    """Squared maximum mean discrepancy under the kernel `(x y / F + 1)^3`, without bias.

    Being unbiased, it is below 0 about as often as above for two sets of one distribution.

    Args:
        first, second: features in random order, `(N, F)` and `(M, F)`, at least 2 of each.

    Returns:
        The mean over disjoint blocks of up to `BLOCK` features of each set, and its standard error
        (0 for a single block).

    Reference:
        Binkowski et al. 2018 (arXiv:1801.01401); the estimator is eq. 3 of Gretton et al. 2012.

    Example:
        >>> kernel_distance(np.zeros((4, 2)), np.ones((4, 2)))
        (7.0, 0.0)
    """
    blocks = -(-min(len(first), len(second)) // BLOCK)
    values = [
        _discrepancy(one.astype(np.float64), two.astype(np.float64))
        for one, two in zip(
            np.array_split(first, blocks), np.array_split(second, blocks), strict=True
        )
    ]
    error = np.std(values, ddof=1) / np.sqrt(blocks) if blocks > 1 else 0.0
    return float(np.mean(values)), float(error)


def _discrepancy(first: np.ndarray, second: np.ndarray) -> float:
    across = _kernel(first, second).mean()
    return _mean_of_pairs(first) + _mean_of_pairs(second) - 2 * across


def _mean_of_pairs(features: np.ndarray) -> float:
    """Return the mean kernel of different features of one set, which leaves out the diagonal."""
    kernel, count = _kernel(features, features), len(features)
    return (kernel.sum() - np.trace(kernel)) / (count * (count - 1))


def _kernel(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return (first @ second.T / first.shape[1] + 1) ** 3
