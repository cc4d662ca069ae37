"""Brightness and colour apart: Y, Cb and Cr of ITU-R BT.601, as Matlab's `rgb2ycbcr` has them.

Y goes from 16 to 235, Cb and Cr from 16 to 240. The eye sees detail in Y; networks that are to be
small make Y larger alone, and papers measure Y alone.
"""

import numpy as np

_FROM_RGB = np.array(
    [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]
)
_OFFSET = np.array([16.0, 128.0, 128.0])
_TO_RGB = np.linalg.inv(_FROM_RGB)


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Return Y of pixels 0..255, `(..., 3)` or grey `(..., 1)`: float `(..., 1)`, not rounded.

    Example:
        >>> luminance(np.uint8([[[255, 255, 255]]])).round(3).tolist()
        [[[235.0]]]
    """
    grey = pixels.shape[-1] == 1
    y: np.ndarray = (
        pixels * (_FROM_RGB[0].sum() / 255) if grey else pixels @ (_FROM_RGB[:1].T / 255)
    )
    return y + 16.0


def from_luminance(y: np.ndarray) -> np.ndarray:
    """Return the grey 0..255 of Y; the inverse of `luminance`, not rounded."""
    grey: np.ndarray = (y - _OFFSET[0]) * (255 / _FROM_RGB[0].sum())
    return grey


def to_ycbcr(pixels: np.ndarray) -> np.ndarray:
    """Return Y, Cb and Cr of pixels 0..255, `(..., 3)`: float `(..., 3)`, not rounded.

    Of float32 they are float32 too, and of anything else float64.
    """
    kind = _kind(pixels)
    ycbcr: np.ndarray = pixels @ (_FROM_RGB.T / 255).astype(kind)
    ycbcr += _OFFSET.astype(kind)
    return ycbcr


def to_rgb(y: np.ndarray, cb: np.ndarray, cr: np.ndarray) -> np.ndarray:
    """Return red, green and blue of Y, Cb and Cr, `(...)` each: `(3, ...)`.

    They are floats of their type, neither rounded nor limited. As planes they are computed several
    times as fast as side by side.

    Example:
        >>> apart = to_ycbcr(np.uint8([10, 200, 30]))
        >>> to_rgb(*apart).round(3).tolist()
        [10.0, 200.0, 30.0]
    """
    kind = _kind(y)
    offsets: np.ndarray = _OFFSET.astype(kind)
    weights: np.ndarray = (_TO_RGB * 255).astype(kind)
    bright = (y - offsets[0]) * weights[0, 0]  # alike in the three
    cb, cr = cb - offsets[1], cr - offsets[2]
    red = bright + cr * weights[0, 2]  # the inverse of rounded numbers has a trace of Cb, too
    green = bright + (cb * weights[1, 1] + cr * weights[1, 2])
    blue = bright + cb * weights[2, 1]
    return np.stack([red, green, blue])


def _kind(array: np.ndarray) -> type:
    return np.float32 if array.dtype == np.float32 else np.float64
