"""Images of a class that a judge knows: latents are moved towards it, or away from it.

The judge is a classifier of images. It says how likely an image is of the classes that are wanted,
and by its slope which way the latent should move. Each step goes along the sphere on which the
latent lies, so that it stays as likely under the Gaussian prior as it was drawn, and is the
shorter the surer the judge is already.

References:
    Nguyen et al. 2017, Plug and Play Generative Networks (arXiv:1612.00005), with a step along the
    sphere in the place of their prior's; that Gaussian latents lie near one is as of White 2016
    (arXiv:1609.04468).
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

STRIDE = 0.06  # what a step at strength 1 adds, in radians of the latent's sphere, at most
MOMENTUM = np.float32(0.8)  # of each step in the next: a judge's slope turns from step to step
SMALLEST = np.float32(1e-12)

# Of noise (B, D): how likely what is drawn of it is of a wanted class, in nats (B,), and the slope
# of that (B, D).
Look: TypeAlias = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def moved(noise: np.ndarray, look: Look, strength: float, steps: int) -> np.ndarray:
    """Move noise so that what is drawn of it becomes likelier of a wanted class.

    Args:
        noise: standard normal, float32 `(B, D)`.
        look: see `Look`.
        strength: a first step turns the noise by up to `strength * STRIDE` radians.
        steps: how many.

    Returns:
        float32 `(B, D)`, each row as long as it was.

    Example:
        >>> up = lambda noise: (noise[:, 0], np.float32([[9, 0]]))
        >>> moved(np.float32([[0, 2]]), up, strength=1.0, steps=1).round(2)
        array([[0.11, 2.  ]], dtype=float32)
    """
    radius = np.maximum(_lengths(noise), SMALLEST)  # (B, 1)
    stride, step = np.float32(strength * STRIDE), np.zeros_like(noise)
    for _ in range(steps):
        _, slope = look(noise)
        outward = noise / radius
        along = slope - _dot(slope, outward) * outward  # (B, D), on the sphere
        step = MOMENTUM * step + stride * radius * along / (1 + _lengths(along))
        noise = noise + step - _dot(step, outward) * outward
        noise *= radius / np.maximum(_lengths(noise), SMALLEST)
    return noise


def _lengths(rows: np.ndarray) -> np.ndarray:
    lengths: np.ndarray = np.linalg.norm(rows, axis=1, keepdims=True)
    return lengths


def _dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    products: np.ndarray = np.sum(first * second, axis=1, keepdims=True)
    return products
