"""Differentiable augmentation: what the discriminator sees is varied, real and generated alike.

The generator learns through it, and generated images stay unvaried. The random numbers are an
argument, so that they can belong to an example and not to a device.

Reference:
    Zhao et al. 2020, "Differentiable Augmentation for Data-Efficient GAN Training"
    (arXiv:2006.10738). Strengths are the paper's.
"""

from collections.abc import Sequence

from keras import KerasTensor, ops

UNIFORMS = 7  # random numbers that an image takes, whichever policies are on


def augment(image: KerasTensor, uniforms: KerasTensor, policies: Sequence[str]) -> KerasTensor:
    """Vary images.

    Args:
        image: `(B, H, W, C)` in [-1, 1].
        uniforms: in [0, 1), `(B, UNIFORMS)`.
        policies: any of `brightness`, `saturation`, `contrast`, `translation` and `cutout`; their
            order does not matter.

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


POLICIES = {
    "brightness": _brightness,
    "saturation": _saturation,
    "contrast": _contrast,
    "translation": _translation,
    "cutout": _cutout,
}
