"""How far frames are from those that came: as papers on the prediction of video have it.

Pixels are in [0, 1]. Squared and absolute errors are summed over the pixels of a frame, not
averaged; all are means over frames and videos.

Reference:
    Tan et al. 2023, OpenSTL (arXiv:2306.11249), `openstl/core/metrics.py`, whose SSIM is that of
    scikit-image as it was when the numbers were published: windows of 7x7 pixels that weigh the
    same, unbiased covariances, and floats taken to reach from -1 to 1.
"""

import numpy as np

WINDOW = 7  # pixels
RANGE = 2.0  # of floats
K1, K2 = 0.01, 0.03


def squared_error(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the sum of squared errors of each frame, float64 `(N, F)`.

    Args:
        found, expected: `(N, F, H, W, C)`, in [0, 1].
    """
    return np.square(found - expected, dtype=np.float64).sum(axis=(2, 3, 4))


def absolute_error(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the sum of absolute errors of each frame, as `squared_error` does."""
    return np.abs(found - expected, dtype=np.float64).sum(axis=(2, 3, 4))


def similarity(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Return the structural similarity of each frame, 1 for the same; as `squared_error` does.

    Example:
        >>> video = np.random.RandomState(0).random_sample((1, 2, 9, 9, 1))
        >>> similarity(video, video).round(6).tolist()
        [[1.0, 1.0]]
    """
    # To (N, F, C, H, W); the means of all windows that lie inside.
    one, two = (np.moveaxis(each.astype(np.float64), -1, 2) for each in (found, expected))
    mean1, mean2 = _means(one), _means(two)
    unbiased = WINDOW**2 / (WINDOW**2 - 1)
    variance1 = unbiased * (_means(one * one) - mean1 * mean1)
    variance2 = unbiased * (_means(two * two) - mean2 * mean2)
    covariance = unbiased * (_means(one * two) - mean1 * mean2)
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    alike = (2 * mean1 * mean2 + c1) * (2 * covariance + c2)
    alike /= (mean1**2 + mean2**2 + c1) * (variance1 + variance2 + c2)
    return np.asarray(alike.mean(axis=(2, 3, 4)))


def _means(pictures: np.ndarray) -> np.ndarray:
    """Return the means of windows of the last two axes, by sums of sums."""
    for axis in (-2, -1):
        sums = np.cumsum(pictures, axis=axis)
        sums = np.concatenate([np.zeros_like(sums.take([0], axis)), sums], axis)
        count = sums.shape[axis] - WINDOW
        later, sooner = (sums.take(range(at, at + count), axis) for at in (WINDOW, 0))
        pictures = (later - sooner) / WINDOW
    return pictures
