"""Bicubic resizing as Matlab's `imresize` does it, by which all papers on super-resolution measure.

Cubic convolution with a = -0.5 (Keys 1981), widened by the scale where a picture becomes smaller,
so that nothing finer than the new pixels is left to alias. Edge pixels are repeated. Whole pixels
are rounded after the rows and again after the columns.
"""

from collections.abc import Callable

import numpy as np

A = -0.5
SUPPORT = 4.0  # pixels that the cubic reaches over
REACH = 2  # pixels on each side that a picture is enlarged from


def shrink(pixels: np.ndarray, scale: int) -> np.ndarray:
    """Return a picture of a `scale`-th of the height and width, antialiased.

    Args:
        pixels: uint8 or floats, `(H, W, C)`; H and W are multiples of the scale.
        scale: whole, from 1.

    Returns:
        `(H / scale, W / scale, C)` of the same type.

    Example:
        >>> shrink(np.full((6, 9, 1), 7, np.uint8), 3).tolist()
        [[[7], [7], [7]], [[7], [7], [7]]]
    """
    planes = np.moveaxis(pixels, 2, 0)
    smaller = _resized(planes, lambda floats, axis: _shrunk(floats, axis, scale))
    return np.stack([*smaller], axis=-1)


def enlarge(pixels: np.ndarray, scale: int) -> np.ndarray:
    """Return a picture of `scale` times the height and width.

    Args:
        pixels: uint8 or floats, `(H, W, C)`.
        scale: whole, from 1.

    Returns:
        `(H * scale, W * scale, C)` of the same type.

    Example:
        >>> enlarge(np.zeros((2, 3, 4), np.uint8), 2).shape
        (4, 6, 4)
    """
    return np.stack([*enlarge_planes(np.moveaxis(pixels, 2, 0), scale)], axis=-1)


def enlarge_planes(planes: np.ndarray, scale: int) -> np.ndarray:
    """Return the same of `(C, H, W)`, for which nothing is moved: `(C, H * scale, W * scale)`."""
    weights = phases(scale)
    return _resized(planes, lambda floats, axis: _enlarged(floats, axis, weights))


def taps(length: int, size: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return which pixels of a row make each new one, and how much each of them counts.

    Args:
        length: pixels of the row.
        size: of the new one.
        scale: new pixels for an old one.

    Returns:
        Places in the row, int `(size, taps)`, and weights, `(size, taps)`, that add up to 1.
    """
    wider = min(scale, 1.0)
    reach = SUPPORT / wider
    centres = (np.arange(size) + 0.5) / scale - 0.5
    first = np.floor(centres - reach / 2).astype(int)
    places = first[:, None] + np.arange(int(np.ceil(reach)) + 2)  # (size, taps)
    weights = cubic(wider * (centres[:, None] - places))
    weights /= weights.sum(axis=1, keepdims=True)
    used = np.any(weights != 0, axis=0)
    return np.clip(places[:, used], 0, length - 1), weights[:, used]


def cubic(distance: np.ndarray) -> np.ndarray:
    """Return the cubic convolution kernel at distances in pixels."""
    x = np.abs(distance)
    near = (A + 2) * x**3 - (A + 3) * x**2 + 1
    far = A * x**3 - 5 * A * x**2 + 8 * A * x - 4 * A
    return np.where(x <= 1, near, np.where(x <= 2, far, 0.0))


def phases(scale: int) -> np.ndarray:
    """Return how much pixels around one count for the new pixels in its place.

    Returns:
        `(scale, 2 * REACH + 1)`; each row adds up to 1.

    Example:
        >>> phases(2).round(3).tolist()[0]
        [-0.023, 0.227, 0.867, -0.07, 0.0]
    """
    size = 2 * REACH + 1
    places, weights = taps(size, size * scale, scale)
    middle = slice(REACH * scale, (REACH + 1) * scale)
    found = np.zeros((scale, size))
    for row, place, weight in zip(found, places[middle], weights[middle], strict=True):
        np.add.at(row, place, weight)
    return found


def _resized(planes: np.ndarray, resize: Callable[[np.ndarray, int], np.ndarray]) -> np.ndarray:
    """Resize the rows, and then the columns, of `(C, H, W)`."""
    planes = np.ascontiguousarray(planes)
    whole = planes.dtype.kind != "f"
    for axis in (1, 2):
        planes = resize(planes.astype(np.float64) if whole else planes, axis)
        if whole:
            planes = np.floor(np.clip(planes, 0, 255) + 0.5).astype(np.uint8)
    return planes


def _shrunk(planes: np.ndarray, axis: int, scale: int) -> np.ndarray:
    """Shrink one axis of floats `(C, H, W)`."""
    length = planes.shape[axis]
    places, weights = taps(length, length // scale, 1 / scale)
    weights = weights.astype(planes.dtype)
    shape = [*planes.shape]
    shape[axis] = length // scale
    result = np.zeros(shape, planes.dtype)
    for place, weight in zip(places.T, weights.T, strict=True):
        result += planes.take(place, axis) * (weight[:, None] if axis == 1 else weight)
    return result


def _enlarged(planes: np.ndarray, axis: int, weights: np.ndarray) -> np.ndarray:
    """Enlarge one axis of floats `(C, H, W)`.

    All new pixels of a phase are sums of the same picture, moved by a pixel and by another, which
    is several times as fast as to gather the pixels of each.
    """
    scale, length = len(weights), planes.shape[axis]
    wider = [(0, 0)] * 3
    wider[axis] = (REACH, REACH)
    moved = np.moveaxis(np.pad(planes, wider, mode="edge"), axis, 0)
    shape = [*planes.shape]
    shape[axis] = length * scale
    result = np.zeros(shape, planes.dtype)
    for phase, row in enumerate(weights.astype(planes.dtype)):
        # A view of the result is written to once, as its pixels lie apart.
        parts = [moved[at : at + length] * row[at] for at in np.flatnonzero(row)]
        np.moveaxis(result, axis, 0)[phase::scale] = sum(parts[1:], start=parts[0])
    return result
