"""What users pass in, checked: each mistake is one line that says what was expected."""

import math
from typing import Any

import numpy as np

from serving.errors import UsageError

ARRAY_LIMIT = 2**31  # bytes of one returned array


def require_room(count: int, shape: tuple[int, ...], remedy: str) -> None:
    """Refuse `count` uint8 images of `shape` that would take more than ARRAY_LIMIT in one array."""
    most = ARRAY_LIMIT // math.prod(shape)
    if count > most:
        raise UsageError(f"{count} images are too many for one array, {most} at most; {remedy}")


def checked_labels(labels: Any, count: int, classes: int) -> np.ndarray | None:
    """Return labels as int64 `(count,)`, or None for a model without classes.

    Args:
        labels: one label for all, or one for each; whole numbers in any dress.
        count: how many samples they are for.
        classes: how many classes the model knows; 0 for an unconditional model.

    Raises:
        UsageError: they are none, too few or too many, or out of range.

    Example:
        >>> checked_labels(3.0, 2, classes=10).tolist()
        [3, 3]
    """
    if classes == 0:
        if labels is not None:
            raise UsageError("this model is unconditional and takes no labels; leave them out")
        return None
    array = _given(labels, classes)
    if array.dtype.kind == "f" and np.isfinite(array).all() and (array == np.rint(array)).all():
        array = array.astype(np.int64)
    found = one_for_each(array, count, classes)
    if array.min() < 0 or array.max() >= classes:
        wrong = array.min() if array.min() < 0 else array.max()
        raise UsageError(f"label {wrong} is out of range; expected {_expected(classes)}")
    return found


def one_for_each(labels: Any, count: int, classes: int) -> np.ndarray | None:
    """Return labels as `checked_labels` does, of which each is known to be in range.

    Args:
        labels: as a parameter with `each` gives them: one for all, or an array or list.
        count, classes: see `checked_labels`.

    Raises:
        UsageError: there are none, too few or too many, or they are no numbers.

    Example:
        >>> one_for_each(3, 2, classes=10).tolist()
        [3, 3]
    """
    if classes == 0:
        return None
    array = _given(labels, classes)
    if array.ndim == 1 and len(array) != count:
        raise UsageError(f"there are {len(array)} labels for {count} images; expected as many")
    if array.dtype.kind not in "iu" or array.ndim > 1:
        told = f"labels are {array.dtype} of shape {array.shape}"
        raise UsageError(f"{told}; expected {_expected(classes)}")
    return np.full(count, array, np.int64) if array.ndim == 0 else array.astype(np.int64)


def _given(labels: Any, classes: int) -> np.ndarray:
    if labels is None:
        raise UsageError(f"this model is conditional; give labels, {_expected(classes)}")
    return as_array(labels, "labels")


def _expected(classes: int) -> str:
    return f"whole numbers from 0 to {classes - 1}"


def checked_latents(z: Any, latent_dim: int) -> np.ndarray:
    """Return latents as float32 `(N, latent_dim)`, all finite."""
    array = as_array(z, "z")
    if array.ndim != 2 or array.shape[1] != latent_dim or array.dtype.kind not in "fiu":
        raise UsageError(
            f"z is {array.dtype} {array.shape}; expected numbers of shape (N, {latent_dim})"
        )
    if len(array) == 0:
        raise UsageError("z is empty; expected at least one row")
    if array.dtype != np.float32:
        with np.errstate(over="ignore"):
            array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise UsageError("z has values that are not finite in float32; expected finite numbers")
    return array


def checked_images(images: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return images as an array `(N, H, W, C)` of its own dtype: uint8, or a float.

    Args:
        images: `(N, H, W, C)` or `(H, W, C)`; for one channel also `(N, H, W)` and `(H, W)`.
        shape: the model's `(H, W, C)`.
    """
    array = as_array(images, "images")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise UsageError(f"images are {array.dtype}; expected uint8 0..255 or floats in [0, 1]")
    given = array.shape
    if shape[-1] == 1 and array.shape[-2:] == shape[:2] and array.ndim < 4:
        array = array[..., np.newaxis]  # (N, H, W) or (H, W): grey without its channel
    if array.ndim == 3:
        array = array[np.newaxis]
    if array.shape[1:] != shape or array.ndim != 4:
        height, width, channels = shape
        raise UsageError(
            f"images have shape {given}; expected (N, {height}, {width}, {channels}) or one image"
        )
    if len(array) == 0:
        raise UsageError("there are no images; expected at least one")
    return array


def to_unit(images: np.ndarray, scale: float) -> np.ndarray:
    """Return pixels, as `checked_images` gives them, as float32 in [0, 1]."""
    if images.dtype == np.uint8:
        unit: np.ndarray = np.divide(images, np.float32(scale), dtype=np.float32)
        return unit
    unit = np.ascontiguousarray(images, np.float32)
    if not (unit.min() >= 0 and unit.max() <= 1):  # false for NaN as well
        raise UsageError("images of floats must lie in [0, 1]; divide 0..255 by 255, or pass uint8")
    return unit


def as_array(values: Any, what: str) -> np.ndarray:
    """Return values as an array; lists of different lengths are refused."""
    try:
        return np.asarray(values)
    except ValueError:  # lists of different lengths
        raise UsageError(f"{what} are not all of one shape; expected one array") from None
