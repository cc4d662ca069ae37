"""One picture of the user's own, from a file to pixels: upright, on white, of the wanted shape."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from serving.errors import UsageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
MOST_PIXELS = 256_000_000  # 1 GB while it is read; more is taken for a mistake, or an attack
_GREY_MODES = ("1", "L", "I")  # of Pillow: the start of 1, L, LA, I, I;16
_ORIENTATION = 0x0112  # of EXIF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def header(path: Path) -> tuple[tuple[int, int], bool]:
    """Return (width, height) as shown, and whether the picture may have colour.

    Raises:
        UsageError: it cannot be read, or has more than `MOST_PIXELS`.
    """
    with opened(path) as image:
        width, height = image.size
        if orientation(image) >= 5:  # lying on its side
            width, height = height, width
        return (width, height), not image.mode.startswith(_GREY_MODES)


def read(path: Path, shape: tuple[int, int, int]) -> np.ndarray:
    """Decode a picture: uint8 `shape`, cropped about its centre and resized where it differs.

    Raises:
        UsageError: it cannot be read, or has more than `MOST_PIXELS`.
    """
    height, width, channels = shape
    with opened(path) as source:
        image = as_trained(source)
        mode = "L" if channels == 1 else "RGB"
        image = image if image.mode == mode else image.convert(mode)
        if image.size != (width, height):
            image = ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
        return np.asarray(image).reshape(shape)


def as_trained(source: Image.Image) -> Image.Image:
    """Return a picture upright, of 8 bits and, where it is transparent, on white.

    Raises:
        OSError: it is cut off or damaged; of Pillow, which raises others too.
    """
    source.load()
    turn = _UPRIGHT.get(orientation(source))
    image = source if turn is None else source.transpose(turn)
    if image.mode.startswith("I"):  # 16 bits, of which the upper 8 are kept
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image


class TooManyPixelsError(UsageError):
    """A picture of more than `MOST_PIXELS`."""


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture, and turn any failure to read it into one line that names it.

    Raises:
        UsageError: it cannot be read.
        TooManyPixelsError: it has more than `MOST_PIXELS`.
    """
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None  # ours is another, and has its own message
    try:
        with Image.open(path) as image:
            width, height = image.size
            if width * height > MOST_PIXELS:
                raise TooManyPixelsError(
                    f"{path} has {width}x{height} pixels, {width * height / 1e6:.0f} million; "
                    f"at most {MOST_PIXELS / 1e6:.0f} million can be read; make it smaller"
                )
            yield image
    except (OSError, ValueError, SyntaxError) as error:
        reason = getattr(error, "strerror", None) or "it is damaged, or no image"
        raise UsageError(f"{path} cannot be read: {reason}; replace it or take it away") from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def orientation(image: Image.Image) -> int:
    """Return how the camera was held, 1 to 8; upright where the metadata are odd."""
    try:
        value = image.getexif().get(_ORIENTATION)
        return int(value) if value in range(1, 9) else 1
    except Exception:  # whatever Pillow makes of metadata that are none: the pixels are good
        return 1
