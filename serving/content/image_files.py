"""Writes generated images where the user says: one picture, an array, or a folder of pictures."""

import io
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from serving.errors import UsageError
from serving.files import (
    STANDARD_OUTPUT,
    is_standard_output,
    is_stream,
    write_each,
    written,
)

GRID_LIMIT = 10_000  # images in one picture


def writer(out: str | Path, count: int, channels: int) -> Callable[[np.ndarray], None]:
    """Choose how images will be written; what is wrong with `out` shows before they are made.

    Args:
        out: `x.png` for one picture with all images in a grid, `x.npy` or `x.npz` for an array, a
            folder (or a path without suffix, which becomes one) for a PNG of each; `-`, `-.npy` or
            `-.npz` for standard output. A FIFO or a device without suffix receives one picture.
        count: how many images will be written.
        channels: of each image.

    Returns:
        A function of images, uint8 `(count, H, W, C)`. It writes everything or changes nothing.

    Raises:
        UsageError: the suffix is not one of these, the images do not fit the kind of file, or
            standard output is a terminal.

    Example:
        >>> writer("two.png", 2, 1)(np.zeros((2, 8, 8, 1), np.uint8))
    """
    kind = "" if Path(out).is_dir() else Path(out).suffix.lower()
    if is_stream(out):
        kind = Path(out).suffix.lower() or ".png"
    if kind and kind not in _ENCODE:
        raise UsageError(
            f"cannot write '{out}'; expected a name in .png, .npy or .npz, or a folder"
        )
    if is_standard_output(out) and os.isatty(STANDARD_OUTPUT):
        raise UsageError("a terminal shows no images; send them on, as in --out - > grid.png")
    _check(kind, count, channels)
    if not kind:
        return lambda images: _save_each(images, out)

    def save(images: np.ndarray) -> None:
        with written(out) as file:
            _ENCODE[kind](images, file)

    return save


def to_bytes(images: np.ndarray, suffix: str) -> bytes:
    """Return what a file with this suffix holds of images, as `writer` has it.

    Raises:
        UsageError: there is no such file of them.

    Example:
        >>> to_bytes(np.zeros((2, 8, 8, 1), np.uint8), ".png")[1:4]
        b'PNG'
    """
    _check(suffix, len(images), images.shape[-1])
    file = io.BytesIO()
    _ENCODE[suffix](images, file)
    return file.getvalue()


def _check(kind: str, count: int, channels: int) -> None:
    """Refuse images that do not fit a kind of file, by its suffix; without one a PNG of each."""
    if kind in (".png", "") and channels not in (1, 3):
        raise UsageError(
            f"images of {channels} channels make no PNG; write to .npy or .npz instead"
        )
    if kind == ".png" and count > GRID_LIMIT:
        raise UsageError(
            f"{count} images are too many for one picture, {GRID_LIMIT} at most; "
            "write to a folder, .npy or .npz instead"
        )


def _encode_grid(images: np.ndarray, file: BinaryIO) -> None:
    from serving.content import pictures

    pictures.encode(pictures.sheet(images), file)


def _encode_npy(images: np.ndarray, file: BinaryIO) -> None:
    np.save(file, images)


def _encode_npz(images: np.ndarray, file: BinaryIO) -> None:
    np.savez_compressed(file, images=images)


_ENCODE: dict[str, Callable[[np.ndarray, BinaryIO], None]] = {
    ".png": _encode_grid,
    ".npy": _encode_npy,
    ".npz": _encode_npz,
}


def _save_each(images: np.ndarray, out: str | Path) -> None:
    from serving.content import pictures

    rows = images.reshape(-1, *images.shape[-3:])
    save = {f"{at:05d}.png": partial(pictures.save, image) for at, image in enumerate(rows)}
    write_each(out, save)
