"""Bicubic resizing as Matlab's `imresize` does it, by which all papers on super-resolution measure.

Cubic convolution with a = -0.5 (Keys 1981), widened by the scale where a picture becomes smaller,
so that nothing finer than the new pixels is left to alias. Edge pixels are repeated. Whole pixels
are rounded after the rows and again after the columns.
"""

import numpy as np

A = -0.5
SUPPORT = 4.0  # pixels that the cubic reaches over


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
    height, width = pixels.shape[:2]
    return _resized(pixels, (height // scale, width // scale), 1 / scale)


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
    height, width = pixels.shape[:2]
    return _resized(pixels, (height * scale, width * scale), scale)


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


def _resized(pixels: np.ndarray, sizes: tuple[int, int], scale: float) -> np.ndarray:
    """Resize rows, and then columns, of each channel by itself: their pixels lie side by side."""
    planes = np.ascontiguousarray(np.moveaxis(pixels, 2, 0))  # (C, H, W)
    for axis, size in zip((1, 2), sizes, strict=True):
        planes = _along(planes, axis, size, scale)
    return np.ascontiguousarray(np.moveaxis(planes, 0, 2))  # (H, W, C)


def _along(planes: np.ndarray, axis: int, size: int, scale: float) -> np.ndarray:
    """Resize one axis of `(C, H, W)`; whole pixels are rounded."""
    places, weights = taps(planes.shape[axis], size, scale)
    whole = planes.dtype.kind != "f"
    weights = weights.astype(np.float64 if whole else planes.dtype)
    shape = [*planes.shape]
    shape[axis] = size
    result = np.zeros(shape, weights.dtype)
    for place, weight in zip(places.T, weights.T, strict=True):
        result += planes.take(place, axis) * (weight[:, None] if axis == 1 else weight)
    if not whole:
        return result
    rounded: np.ndarray = np.floor(np.clip(result, 0, 255) + 0.5).astype(np.uint8)
    return rounded
