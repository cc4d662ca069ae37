"""How far a picture is from what it shows and from a style, by what a network sees of it.

References:
    Johnson et al. 2016 (arXiv:1603.08155); Huang and Belongie 2017 (arXiv:1703.06868).
"""

from collections.abc import Sequence

import numpy as np
from keras import KerasTensor, ops

COLOURS = 4.0  # what intensities are scaled by, to be about as large as features
EPSILON = 1e-5  # of variances
FLAT = 0.05  # variance of features below which differences count for less
LEAST = 0.05  # added to the mean square that differences are a share of, about as large as most


def statistics(image: KerasTensor, features: Sequence[KerasTensor]) -> KerasTensor:
    """Return the style of pictures: mean and standard deviation of their colours and features.

    Features are taken by their logarithms, so that a few strong ones do not stand for many, and
    painters do not strew bright beads.

    Args:
        image: intensities in [0, 1], `(B, H, W, 3)`.
        features: of layers, `(B, h, w, C)` each.

    Returns:
        float32 `(B, sum of 2 C)`: colours first, then each layer; means before deviations.

    Example:
        >>> image = np.ones((1, 2, 2, 3), np.float32)
        >>> statistics(image, []).numpy().round(2).tolist()
        [[2.0, 2.0, 2.0, 0.0, 0.0, 0.0]]
    """
    colours = (ops.cast(image, "float32") - 0.5) * COLOURS
    found = []
    for layer in (colours, *(ops.log1p(ops.cast(each, "float32")) for each in features)):
        mean, variance = ops.moments(layer, axes=(1, 2))  # (B, C)
        found += [mean, ops.sqrt(variance + EPSILON)]
    return ops.concatenate(found, axis=-1)


def style_distance(found: KerasTensor, wanted: KerasTensor, channels: Sequence[int]) -> KerasTensor:
    """Return how far styles are from others.

    In each layer it is the squared difference as a share of what is wanted, so that neither layers
    nor paintings of strong contrasts outweigh others; the mean over layers.

    Args:
        found, wanted: statistics, `(B, sum of 2 C)`.
        channels: of the layers, without the colours.

    Returns:
        float32 `(B,)`.
    """
    ends = np.cumsum([2 * each for each in (3, *channels)])[:-1].tolist()
    parts = zip(ops.split(found, ends, -1), ops.split(wanted, ends, -1), strict=True)
    shares = [
        ops.mean(ops.square(one - other), -1) / (ops.mean(ops.square(other), -1) + LEAST)
        for one, other in parts
    ]
    return ops.mean(ops.stack(shares), axis=0)


def content_distance(found: KerasTensor, wanted: KerasTensor) -> KerasTensor:
    """Return how far places are from what they showed, whatever the style: 0 for the same.

    Each feature is compared without its mean and in units of its deviation, which are of the style.

    Args:
        found, wanted: features of a layer, `(B, h, w, C)`.

    Returns:
        Mean squared difference, float32 `(B,)`; 2 for what has nothing in common.
    """
    return mean_square(_places(found) - _places(wanted))


def _places(features: KerasTensor) -> KerasTensor:
    features = ops.cast(features, "float32")
    mean, variance = ops.moments(features, axes=(1, 2), keepdims=True)
    return (features - mean) * ops.rsqrt(variance + FLAT)


def variation(image: KerasTensor) -> KerasTensor:
    """Return the mean squared difference of neighbouring pixels: `(B, H, W, C)` -> `(B,)`."""
    down, across = image[:, 1:] - image[:, :-1], image[:, :, 1:] - image[:, :, :-1]
    return mean_square(down) + mean_square(across)


def mean_square(values: KerasTensor) -> KerasTensor:
    """Return the mean square of each row: `(B, H, W, C)` -> `(B,)`."""
    return ops.mean(ops.square(values), axis=(1, 2, 3))
