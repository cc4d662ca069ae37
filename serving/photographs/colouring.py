"""Grey, and colours that are given to it without a change of how bright it is.

Brightness is Y of ITU-R BT.601 in the full range of levels, `0.299 R + 0.587 G + 0.114 B`, which is
what Pillow makes of colours for its mode `L`.
"""

import numpy as np

WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)  # of red, green and blue


def grey(pixels: np.ndarray) -> np.ndarray:
    """Return uint8 pixels `(H, W, 3)` without their colours: uint8 `(H, W, 3)`.

    Example:
        >>> grey(np.uint8([[[255, 0, 0]]])).tolist()
        [[[76, 76, 76]]]
    """
    levels = np.rint(pixels @ WEIGHTS).astype(np.uint8)
    return levels[..., None].repeat(3, axis=2)


def within_levels(coloured: np.ndarray) -> np.ndarray:
    """Return colours that levels can hold, each pixel as bright as before.

    Where red, green or blue would go beyond 0 or 255, the colour becomes paler, not the pixel
    brighter or darker.

    Args:
        coloured: float `(H, W, 3)`, of a brightness within 0 and 255.

    Example:
        >>> paler = within_levels(np.float32([[[300, 100, 100]]]))
        >>> bool(paler.max() <= 255), float(np.abs(paler @ WEIGHTS - 159.8).max() < 1e-3)
        (True, 1.0)
    """
    bright = np.clip(coloured @ WEIGHTS, 0, 255)[..., None]  # (H, W, 1)
    colour = coloured - bright
    room = np.where(colour > 0, 255 - bright, bright)
    # A colour of nothing has room for any multiple of it.
    share = (room / np.maximum(np.abs(colour), 1e-6)).min(axis=2, keepdims=True)
    paler: np.ndarray = bright + colour * np.minimum(share, 1)
    return paler
