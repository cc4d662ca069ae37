"""Differentiable augmentation: what the discriminator sees is varied, real and generated alike.

The generator learns through it, and generated images stay unvaried. The random numbers are an
argument, so that they can belong to an example and not to a device.

Reference:
    Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training"
    (arXiv:2006.10738). Strengths are the paper's; `affine` and `strokes` are not of it.
"""

import math
from collections.abc import Sequence

from keras import KerasTensor, ops

UNIFORMS = 14  # random numbers that an image takes, whichever policies are on


def augment(image: KerasTensor, uniforms: KerasTensor, policies: Sequence[str]) -> KerasTensor:
    """Vary images.

    Args:
        image: `(B, H, W, C)` in [-1, 1].
        uniforms: in [0, 1), `(B, UNIFORMS)`.
        policies: any of `brightness`, `saturation`, `contrast`, `translation`, `cutout`, `affine`
            and `strokes`; their order does not matter.

    Returns:
        `(B, H, W, C)`.

    Example:
        >>> import numpy as np
        >>> varied = augment(np.ones((1, 4, 4, 1)), np.full((1, UNIFORMS), 0.75), ["brightness"])
        >>> float(varied[0, 0, 0, 0])
        1.25
    """
    columns = {
        "brightness": uniforms[:, 0],
        "saturation": uniforms[:, 1],
        "contrast": uniforms[:, 2],
        "translation": uniforms[:, 3:5],
        "cutout": uniforms[:, 5:7],
        "affine": uniforms[:, 7:13],
        "strokes": uniforms[:, 13],
    }
    for name, random in columns.items():
        if name in policies:
            image = POLICIES[name](image, ops.cast(random, image.dtype))
    return image


def _brightness(image: KerasTensor, random: KerasTensor) -> KerasTensor:
    """Add up to 0.5 either way."""
    return image + (random - 0.5)[:, None, None, None]


def _saturation(image: KerasTensor, random: KerasTensor) -> KerasTensor:
    """Scale the distance from grey by 0 to 2."""
    grey = ops.mean(image, axis=-1, keepdims=True)
    return grey + (image - grey) * (2 * random)[:, None, None, None]


def _contrast(image: KerasTensor, random: KerasTensor) -> KerasTensor:
    """Scale the distance from the image's mean by 0.5 to 1.5."""
    mean = ops.mean(image, axis=(1, 2, 3), keepdims=True)
    return mean + (image - mean) * (random + 0.5)[:, None, None, None]


def _translation(image: KerasTensor, random: KerasTensor) -> KerasTensor:
    """Move by up to an eighth of the size; what comes in is 0.

    A matrix product by a shifted identity, one per image and direction: what is moved out of the
    picture has no row in it.
    """
    _, height, width, _ = image.shape
    vertical = _shifted_identities(height, random[:, 0])  # (B, H, H)
    horizontal = _shifted_identities(width, random[:, 1])  # (B, W, W)
    image = ops.einsum("bij,bjwc->biwc", ops.cast(vertical, image.dtype), image)
    return ops.einsum("bij,bhjc->bhic", ops.cast(horizontal, image.dtype), image)


def _shifted_identities(size: int, random: KerasTensor) -> KerasTensor:
    reach = int(size / 8 + 0.5)
    offset = ops.floor(random * (2 * reach + 1)) - reach  # (B,) whole numbers
    source = ops.arange(size, dtype=offset.dtype)[None, :] + offset[:, None]  # (B, size)
    return ops.one_hot(ops.cast(source, "int32"), size, dtype="float32")  # (B, size, size)


def _cutout(image: KerasTensor, random: KerasTensor) -> KerasTensor:
    """Set a rectangle of half the height and width to 0, partly outside at the edges."""
    _, height, width, _ = image.shape
    rows = _inside(height, random[:, 0])[:, :, None, None]
    columns = _inside(width, random[:, 1])[:, None, :, None]
    return image * (1 - ops.cast(rows & columns, image.dtype))


def _inside(size: int, random: KerasTensor) -> KerasTensor:
    """Return which of `size` places lie in an interval of half the size, `(B, size)`."""
    length = int(size / 2 + 0.5)
    start = ops.floor(random * (size + (1 - length % 2))) - length // 2  # (B,)
    place = ops.arange(size, dtype=start.dtype)[None, :] - start[:, None]
    return ops.logical_and(place >= 0, place < length)


def _affine(image: KerasTensor, random: KerasTensor) -> KerasTensor:
    """Turn by up to 20 degrees, scale height and width by 0.78 to 1.28, slant by up to 0.3 and move
    by up to a ninth of the size; what comes in is black.
    """
    _, height, width, _ = image.shape
    turn, wide, tall, slant, across, down = ops.unstack(2 * random - 1, axis=1)  # (B,) each
    cosine, sine = ops.cos(math.radians(20) * turn), ops.sin(math.radians(20) * turn)
    wide, tall = ops.exp(0.25 * wide), ops.exp(0.25 * tall)
    rows = ((cosine * wide, 0.3 * slant - sine * tall), (sine * wide, cosine * tall))
    centre, moved = ((width - 1) / 2, (height - 1) / 2), (across * width / 9, down * height / 9)
    transform = []  # from places in the result to places in the image
    for (first, second), middle, move in zip(rows, centre, moved, strict=True):
        transform += [first, second, middle - first * centre[0] - second * centre[1] + move]
    zero = ops.zeros_like(turn)
    matrix = ops.stack([*transform, zero, zero], axis=-1)  # (B, 8)
    return ops.image.affine_transform(
        image, matrix, fill_mode="constant", fill_value=-1.0, data_format="channels_last"
    )


def _strokes(image: KerasTensor, random: KerasTensor) -> KerasTensor:
    """Move each pixel by up to 0.9 of the way to the brightest or darkest one around it."""

    def brightest(values: KerasTensor) -> KerasTensor:
        return ops.max_pool(values, 3, strides=1, padding="same", data_format="channels_last")

    bolder = (2 * random - 1)[:, None, None, None]
    gain, loss = brightest(image) - image, image + brightest(-image)
    return image + 0.9 * (ops.relu(bolder) * gain - ops.relu(-bolder) * loss)


POLICIES = {
    "brightness": _brightness,
    "saturation": _saturation,
    "contrast": _contrast,
    "translation": _translation,
    "cutout": _cutout,
    "affine": _affine,
    "strokes": _strokes,
}
