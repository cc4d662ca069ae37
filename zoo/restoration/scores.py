"""PSNR and SSIM as papers on super-resolution have them: on Y, in whole levels, without the edges.

References:
    Huang et al. 2015, "Single Image Super-Resolution from Transformed Self-Exemplars", whose
    `compute_difference.m` is what others measure by; Wang et al. 2004 (SSIM).
"""

import numpy as np

from serving.photographs.luminance import luminance

PEAK = 255.0
WINDOW, SIGMA = 11, 1.5  # pixels, of the Gaussian of SSIM
K1, K2 = 0.01, 0.03


def psnr(found: np.ndarray, expected: np.ndarray, shave: int) -> float:
    """Return the peak signal-to-noise ratio of Y in dB; higher is better.

    Args:
        found, expected: uint8 `(H, W, 3)`, or `(H, W, 1)`, which are compared as they are.
        shave: pixels that are left out at each edge: as many as the scale.

    Example:
        >>> black = np.zeros((8, 8, 1), np.uint8)
        >>> psnr(black + 16, black, shave=2).__round__(2)
        24.05
    """
    first, second = _compared(found, shave), _compared(expected, shave)
    return float(10 * np.log10(PEAK**2 / max(np.mean((first - second) ** 2), 1e-10)))


def ssim(found: np.ndarray, expected: np.ndarray, shave: int) -> float:
    """Return the structural similarity of Y, 1 for the same; arguments as of `psnr`.

    The mean over all windows of 11x11 pixels that lie inside.

    Example:
        >>> picture = np.random.RandomState(0).randint(0, 256, (32, 32, 3)).astype(np.uint8)
        >>> ssim(picture, picture, shave=3).__round__(6)
        1.0
    """
    first, second = _compared(found, shave), _compared(expected, shave)
    c1, c2 = (K1 * PEAK) ** 2, (K2 * PEAK) ** 2
    mean1, mean2 = _blurred(first), _blurred(second)
    variance1 = _blurred(first * first) - mean1**2
    variance2 = _blurred(second * second) - mean2**2
    covariance = _blurred(first * second) - mean1 * mean2
    similarity = (2 * mean1 * mean2 + c1) * (2 * covariance + c2)
    return float(np.mean(similarity / ((mean1**2 + mean2**2 + c1) * (variance1 + variance2 + c2))))


def _compared(pixels: np.ndarray, shave: int) -> np.ndarray:
    """Return Y in whole levels, without the edges: float `(H, W)`."""
    levels = pixels if pixels.shape[-1] == 1 else np.rint(luminance(pixels))
    height, width = pixels.shape[:2]
    inside = levels[shave : height - shave, shave : width - shave, 0]
    return inside.astype(np.float64)


def _blurred(picture: np.ndarray) -> np.ndarray:
    """Blur with the Gaussian of SSIM; only what lies inside is left."""
    places = np.arange(WINDOW) - WINDOW // 2
    kernel = np.exp(-(places**2) / (2 * SIGMA**2))
    kernel /= kernel.sum()
    for _ in range(2):
        views = np.lib.stride_tricks.sliding_window_view(picture, WINDOW, axis=0)
        picture = (views @ kernel).T  # rows, and then what were columns
    return picture
