"""A photograph: its pixels upright, what is transparent of it, and what its colours mean."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms, ImageOps

from serving.errors import SPOILT_PICTURE, UsageError, first_line
from serving.files import written

MOST_PIXELS = 2**28  # read or made; 1 GB while Pillow holds them
MODES = ("L", "LA", "RGB", "RGBA")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
FORMATS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".tif": "tiff"}
_SETTINGS: dict[str, dict[str, Any]] = {
    # The strongest compression takes minutes of large pictures and gains a few hundredths.
    "png": {"compress_level": 3},
    "jpeg": {"quality": 95, "subsampling": 0},
    "webp": {"quality": 95},
    "tiff": {"compression": "tiff_deflate"},
}
_LONGEST = {"jpeg": 65_535, "webp": 16_383}  # pixels of a side


@dataclass(frozen=True)
class Photograph:
    """A photograph of any size.

    Attributes:
        image: of Pillow, upright, of mode `L`, `LA`, `RGB` or `RGBA`.
        profile: what its colours mean, as an ICC profile; None for sRGB.

    Example:
        >>> Photograph.of(np.zeros((3, 5, 4), np.uint8)).image.mode
        'RGBA'
    """

    image: Image.Image
    profile: bytes | None = None

    @classmethod
    def of(cls, pixels: np.ndarray) -> "Photograph":
        """Return the photograph of uint8 pixels `(H, W)` or `(H, W, 1 to 4)`.

        Raises:
            UsageError: they are none.
        """
        pixels = np.asarray(pixels)
        plain = pixels[..., None] if pixels.ndim == 2 else pixels
        if plain.dtype != np.uint8 or plain.ndim != 3 or not 1 <= plain.shape[2] <= 4:
            raise UsageError(
                f"the photograph is {pixels.dtype} {pixels.shape}; expected uint8 (H, W), or "
                "(H, W, C) of 1 to 4 channels"
            )
        _check_size(plain.shape[1], plain.shape[0], "the photograph")
        mode = MODES[plain.shape[2] - 1]
        return cls(Image.fromarray(plain[..., 0] if mode == "L" else plain))

    @classmethod
    def read(cls, path: Path) -> "Photograph":
        """Read a file: upright as the camera was held, in 8 bits, in grey or RGB.

        CMYK and other colours become RGB, by the file's own profile where it has one.

        Raises:
            UsageError: it cannot be read, is too large, or has several pictures.
        """
        with _opened(path) as source:
            if (frames := getattr(source, "n_frames", 1)) > 1:
                raise UsageError(f"{path} is animated, or has {frames} pictures; give a single one")
            _check_size(*source.size, str(path))
            source.load()
            return cls.of_image(source)

    @classmethod
    def of_image(cls, image: Image.Image) -> "Photograph":
        """Return the photograph of an image of Pillow: upright, in 8 bits, in grey or RGB.

        Raises:
            UsageError: it has too many pixels, or none.
        """
        _check_size(*image.size, "the photograph")
        return cls(*_plain(ImageOps.exif_transpose(image), image.info.get("icc_profile")))

    @property
    def pixels(self) -> np.ndarray:
        """What is seen of it, without what is transparent: uint8 `(H, W, 1 or 3)`."""
        return pixels_of(self.image)[..., : -1 if "A" in self.image.mode else None]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        width, height = self.image.size
        return height, width

    def save(self, path: str | Path) -> None:
        """Write it to a file in `.png`, `.jpg`, `.webp` or `.tif`, with its profile.

        What has no suffix, as standard output, receives a PNG.

        Raises:
            UsageError: it has no place in such a file.
        """
        suffix = Path(path).suffix.lower() or ".png"
        self.check_writable(suffix)
        with written(path) as file:
            self._encode(file, suffix)

    def to_bytes(self, suffix: str) -> bytes:
        """Return what a file with this suffix holds; see `save`."""
        self.check_writable(suffix)
        file = io.BytesIO()
        self._encode(file, suffix)
        return file.getvalue()

    def check_writable(self, suffix: str) -> None:
        """Refuse a kind of file that it has no place in.

        Raises:
            UsageError: as said.
        """
        kind = FORMATS.get(suffix)
        if kind is None:
            raise UsageError(
                f"no photograph is written to '{suffix}'; expected {', '.join(FORMATS)}"
            )
        if kind == "jpeg" and "A" in self.image.mode:
            raise UsageError(
                "a JPEG has nothing transparent, and this photograph has; write .png or .webp"
            )
        longest = max(self.image.size)
        if longest > _LONGEST.get(kind, longest):
            raise UsageError(
                f"a side of {longest} pixels does not fit into {suffix}, {_LONGEST[kind]} at most; "
                "write .png"
            )

    def _encode(self, file: BinaryIO, suffix: str) -> None:
        kind = FORMATS[suffix]
        settings = _SETTINGS[kind]
        if self.profile is not None:
            settings = settings | {"icc_profile": self.profile}
        self.image.save(file, kind, **settings)


def pixels_of(image: Image.Image) -> np.ndarray:
    """Return the pixels of an image of Pillow: uint8 `(H, W, C)`."""
    pixels = np.asarray(image)
    return pixels[..., None] if pixels.ndim == 2 else pixels


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture, and turn any failure to read it into one line that names it."""
    limit = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = None  # ours is another, and has its own message
    try:
        with Image.open(path) as image:
            yield image
    except SPOILT_PICTURE as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise UsageError(f"{path} cannot be read as a photograph: {reason}") from None
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def check_pixels(width: int, height: int, what: str) -> None:
    """Refuse more pixels than there is memory for.

    Raises:
        UsageError: as said.
    """
    if width * height > MOST_PIXELS:
        raise UsageError(
            f"{what} has {width}x{height} pixels, {width * height / 1e6:.0f} million; expected "
            f"{MOST_PIXELS / 1e6:.0f} million at most"
        )


def _check_size(width: int, height: int, what: str) -> None:
    if not width or not height:
        raise UsageError(f"{what} has no pixels; expected one at least")
    check_pixels(width, height, what)


def _plain(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bytes | None]:
    """Return an image in 8 bits of grey or RGB, and the profile that holds of it then."""
    if image.mode in MODES:
        return image, profile
    if image.mode == "1":
        return image.convert("L"), profile
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits, of which the upper 8 are kept
        return _eight_bits(image), profile
    if image.has_transparency_data:
        return image.convert("RGBA"), profile
    if image.mode == "P":
        return image.convert("RGB"), profile
    return _converted(image, profile), None  # a profile of other colours says nothing of RGB


def _eight_bits(image: Image.Image) -> Image.Image:
    levels = np.asarray(image)
    if image.mode == "F":
        return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))
    return Image.fromarray(np.clip(levels.astype(np.int64) >> 8, 0, 255).astype(np.uint8))


def _converted(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return RGB of CMYK and the like."""
    if profile is not None:
        try:
            own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            made = ImageCms.profileToProfile(
                image, own, ImageCms.createProfile("sRGB"), outputMode="RGB"
            )
        except (ImageCms.PyCMSError, OSError):  # a profile that is none, or of other colours
            made = None
        if made is not None:
            return made
    return image.convert("RGB")
