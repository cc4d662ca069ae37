"""Contact sheets of images, written whole or not at all. Needs no TensorFlow."""

import io
import math
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from serving.files import written

GAP = 2  # pixels of white between images


def to_uint8(images: np.ndarray) -> np.ndarray:
    """Turn intensities in [0, 1] of any shape into rounded pixels 0..255."""
    return np.asarray(np.rint(np.clip(images, 0, 1) * 255), np.uint8)


def grid(images: np.ndarray, columns: int) -> np.ndarray:
    """Lay images out row by row.

    Args:
        images: uint8 `(N, H, W, C)`, N >= 1.
        columns: images in a row; cells that are left over stay white.

    Returns:
        uint8 `(height, width, C)`.

    Example:
        >>> grid(np.zeros((5, 8, 8, 1), np.uint8), columns=3).shape
        (18, 28, 1)
    """
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    cells = np.full((rows * columns, height + GAP, width + GAP, channels), 255, np.uint8)
    cells[:count, :height, :width] = images
    cells = cells.reshape(rows, columns, height + GAP, width + GAP, channels)
    sheet = cells.swapaxes(1, 2)  # (rows, H, columns, W, C)
    sheet = sheet.reshape(rows * (height + GAP), columns * (width + GAP), channels)
    return sheet[:-GAP, :-GAP]


def sheet(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Lay images out: rows of them `(N, steps, H, W, C)` as they are, others in a square grid.

    Args:
        images: uint8 `(N, H, W, C)` or rows.
        columns: of what are no rows, if the grid is to be no square.

    Example:
        >>> sheet(np.zeros((2, 3, 8, 8, 1), np.uint8)).shape
        (18, 28, 1)
    """
    if images.ndim == 5:
        columns, images = images.shape[1], images.reshape(-1, *images.shape[2:])
    return grid(images, columns or math.ceil(math.sqrt(len(images))))


def save(image: np.ndarray, path: str | Path) -> Path:
    """Write one uint8 image `(H, W, 1 or 3)` to `path` as PNG."""
    with written(path) as file:
        encode(image, file)
    return Path(path)


def encode(image: np.ndarray, file: BinaryIO) -> None:
    """Write one uint8 image `(H, W, 1 or 3)` to a file that is open, as PNG."""
    pixels = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(pixels).save(file, "png")


def png(image: np.ndarray) -> bytes:
    """Return the PNG of one uint8 image `(H, W, 1 or 3)`.

    Example:
        >>> png(np.zeros((2, 2, 1), np.uint8))[1:4]
        b'PNG'
    """
    file = io.BytesIO()
    encode(image, file)
    return file.getvalue()
