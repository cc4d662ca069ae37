"""Images: pixels 0..255, `(N, H, W, C)`, or rows of them, `(N, steps, H, W, C)`."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.content import image_files, pictures
from serving.content.array import array_of, read_array
from serving.content.content import Cell, Content, Distance, Processing
from serving.errors import SPOILT_PICTURE, UsageError, first_line

LEVELS = 1  # of 255: a value next to one half may be rounded either way
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")


class ImageContent(Content):
    """Pictures of one size: `image_shape` of the processing.

    Example:
        >>> images = ImageContent()
        >>> images.picture(np.zeros((6, 8, 8, 1), np.uint8), {"classes": 3}).shape
        (18, 28, 1)
        >>> images.amount(2)
        '2 images'
    """

    name, noun, unit = "image", "image", "images"
    media = {
        ".png": "image/png",
        ".npy": "application/x-npy",
        ".npz": "application/x-npz",
        ".jpg": "image/jpeg",
        ".gif": "image/gif",
        ".webp": "image/webp",
        ".bmp": "image/bmp",
    }

    def made_files(self) -> Mapping[str, str]:
        return {suffix: self.media[suffix] for suffix in (".png", ".npy", ".npz")}

    def read(self, paths: Sequence[Path], processing: Processing) -> np.ndarray:
        """Return uint8 `(N, H, W, C)` of pictures, arrays, folders of pictures, or sheets.

        A sheet is what `writer` makes of several images: one picture with all of them in a grid.
        """
        shape = tuple(processing["image_shape"])
        found = [images for path in paths for images in _read(path, shape)]
        if not found:
            raise UsageError("no images are given; expected pictures, arrays or folders")
        return np.concatenate(found)

    def writer(self, out: str, count: int, processing: Processing) -> Callable[[Any], None]:
        return image_files.writer(out, count, processing["image_shape"][-1])

    def to_bytes(self, value: Any, suffix: str, processing: Processing) -> bytes:
        return image_files.to_bytes(value, suffix)

    def from_json(self, value: Any, processing: Processing) -> np.ndarray:
        """Return images of `data:` addresses, or of nested lists of levels 0 to 255.

        Example:
            >>> ImageContent().from_json([[[0], [255]]], {"image_shape": [1, 2, 1]}).shape
            (1, 2, 1)
        """
        first = value[0] if isinstance(value, list) and value else value
        if isinstance(first, str):
            images: np.ndarray = super().from_json(value, processing)
            return images
        levels = array_of(value)
        if levels.dtype.kind not in "iu" or not (
            levels.size and 0 <= levels.min() <= levels.max() <= 255
        ):
            raise UsageError("images in JSON are no levels; expected whole numbers from 0 to 255")
        return levels.astype(np.uint8)

    def to_json(self, value: Any, processing: Processing) -> Any:
        """Return a `data:` address of a picture for each image; of rows a list of each."""
        if value.ndim > 3:
            return [self.to_json(each, processing) for each in value]
        return super().to_json(value[None], processing)

    def cell(self, processing: Processing, *, given: bool) -> Cell:
        return Cell("uint8", tuple(processing["image_shape"]))

    def picture(self, value: Any, processing: Processing) -> np.ndarray:
        """Lay images out in a grid: rows as they are, else a column for each class, or a square."""
        return pictures.sheet(value, processing.get("classes") or math.isqrt(len(value)))

    def looked_at(self, value: Any, processing: Processing) -> Sequence[np.ndarray]:
        images = np.asarray(value)
        if images.dtype.kind == "f":
            images = pictures.to_uint8(images)
        return list(images.reshape(-1, *processing["image_shape"]))

    def compare(self, found: Any, expected: Any) -> Distance:
        """Compare level by level.

        Example:
            >>> ImageContent().compare(np.uint8([[7]]), np.uint8([[9]])).words
            'within 2 of 255 levels of Keras'
        """
        levels = int(np.abs(found.astype(int) - expected).max())
        return Distance(f"within {levels} of 255 levels of Keras", levels <= LEVELS)


def _read(path: Path, shape: tuple[int, ...]) -> Iterable[np.ndarray]:
    """Yield arrays `(n, H, W, C)` of one path."""
    if path.is_dir():
        inside = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
        for each in inside:
            yield from _read(each, shape)
    elif path.suffix.lower() in (".npy", ".npz"):
        yield _checked(read_array(path), path, shape)
    else:
        yield _cells(_pixels(path, shape[-1]), path, shape)


def _pixels(path: Path, channels: int) -> np.ndarray:
    """Decode a picture: uint8 `(height, width, channels)`."""
    from PIL import Image

    if channels not in (1, 3):
        raise UsageError(f"this model takes images of {channels} channels; give {path} as .npy")
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    except (*SPOILT_PICTURE, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise UsageError(f"{path} cannot be read as a picture: {reason}") from None
    return pixels.reshape(*pixels.shape[:2], channels)


def _cells(pixels: np.ndarray, path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the one image of a picture, or those of a sheet but for the white ones at its end."""
    height, width, channels = shape
    if pixels.shape == shape:
        return pixels[None]
    rows, across = (
        (length + pictures.GAP) / (own + pictures.GAP)
        for length, own in zip(pixels.shape[:2], (height, width), strict=True)
    )
    if rows != int(rows) or across != int(across):
        raise UsageError(
            f"{path} has {pixels.shape[1]}x{pixels.shape[0]} pixels; this model takes pictures of "
            f"{width}x{height}, or a sheet of such"
        )
    gaps = [(0, pictures.GAP), (0, pictures.GAP), (0, 0)]
    cells = np.pad(pixels, gaps).reshape(
        int(rows), height + pictures.GAP, int(across), width + pictures.GAP, channels
    )
    cells = cells.swapaxes(1, 2)[:, :, :height, :width].reshape(-1, *shape)  # (cells, H, W, C)
    last = max((index for index, cell in enumerate(cells) if (cell < 255).any()), default=0)
    return cells[: last + 1]


def _checked(array: np.ndarray, path: Path, shape: tuple[int, ...]) -> np.ndarray:
    if array.dtype != np.uint8 or array.shape[-3:] != shape or not array.size:
        height, width, channels = shape
        raise UsageError(
            f"{path} holds {array.dtype} {array.shape}; expected uint8 (N, {height}, {width}, "
            f"{channels})"
        )
    return array.reshape(-1, *shape)
