"""A look at one picture: what it is, what is odd about it, and a small one to compare it by."""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from zoo.data.photographs import (
    MOST_PIXELS,
    SUFFIXES,
    TooManyPixelsError,
    as_trained,
    opened,
    orientation,
)
from zoo.inspection.alike import SIDE, TINT_SIDE
from zoo.inspection.layout import Item
from zoo.inspection.report import Finding

READ = {  # formats that training reads, and the suffixes of their files, the usual one first
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),  # JPEG with a second picture behind, as telephones write it
    "BMP": (".bmp",),
    "GIF": (".gif",),
    "WEBP": (".webp",),
}
CONVERTED = ("TIFF", "PPM", "TGA", "AVIF", "JPEG2000")  # that it does not read and Pillow does
_BEGINNINGS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF")
TINIEST = 8  # pixels of the shorter side
NARROWEST = 4  # times as long as wide
FLATTEST = 1.0  # standard deviation of what is of one colour, of 255
MOST_METADATA = 65_536  # bytes
LARGEST_LOOK = 2**20  # pixels that are looked at; larger pictures are made smaller first
_GPS = 0x8825


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a picture.

    Attributes:
        item: its name and place.
        findings: what is odd about it alone.
        format, mode: of Pillow; "" where it cannot be read, and no format of an example.
        size: width and height as shown; (0, 0) where it cannot be read.
        mean, square: of its channels red, green and blue in [0, 1], and of their squares.
        digest: SHA-256 of the bytes of the file, or of the pixels of an example.
        small: its brightness, uint8 `(32, 32)`; None where it cannot be read.
        tint: its colours, uint8 `(8, 8, 2)`.
    """

    item: Item
    findings: tuple[Finding, ...] = ()
    format: str = ""
    mode: str = ""
    size: tuple[int, int] = (0, 0)
    mean: tuple[float, ...] = ()
    square: tuple[float, ...] = ()
    digest: bytes = b""
    small: np.ndarray | None = None
    tint: np.ndarray | None = None

    @property
    def is_good(self) -> bool:
        """Whether a cleaned copy has it, as far as it alone can say."""
        return self.small is not None and not any(each.dropped for each in self.findings)


def look_at(root: Path, item: Item) -> Look:
    """Look at a file, which may be anything."""
    path = root / item.name
    try:
        data = path.read_bytes()
    except OSError as error:
        return _bad(item, "unreadable", error.strerror or "cannot be read")
    if not data:
        return _bad(item, "empty", "the file has a length of 0")
    header: list[tuple[str, str, tuple[int, int]]] = []
    try:
        with opened(path) as image:
            if image.format not in READ and image.format not in CONVERTED:
                return _no_picture(item, data)
            header.append((image.format, image.mode, _size(image)))
            findings = list(_of_header(item, image, data))
            image.draft(None, (512, 512) if math.prod(image.size) > LARGEST_LOOK else image.size)
            pixels, seen = _pixels(item, as_trained(image))
    except TooManyPixelsError:
        return _bad(item, "too_large", f"has more than {MOST_PIXELS / 1e6:.0f} million pixels")
    except Exception:  # of `opened`; or whatever else Pillow makes of bytes that are no picture
        if not header:
            return _no_picture(item, data)
        return _bad(item, "damaged", f"a {header[0][0]} of which the rest is missing or damaged")
    kind, mode, size = header[0]
    digest = hashlib.sha256(data).digest()
    return Look(item, (*findings, *seen), kind, mode, size, digest=digest, **pixels)


def look_at_pixels(item: Item, pixels: np.ndarray) -> Look:
    """Look at an example of a data set: uint8 or uint16 `(H, W, 1, 3 or 4)`."""
    findings = []
    if pixels.dtype == np.uint16:
        findings.append(Finding.of("deep", item.name, "16 bits"))
    image = _as_image(pixels)
    size, digest = image.size, hashlib.sha256(f"{pixels.shape}".encode() + pixels.tobytes())
    findings += _of_size(item, size)
    about, seen = _pixels(item, as_trained(image) if image.mode == "RGBA" else image)
    return Look(item, (*findings, *seen), "", image.mode, size, digest=digest.digest(), **about)


def _as_image(pixels: np.ndarray) -> Image.Image:
    """Return an example as an image: uint8 or uint16 `(H, W, 1, 3 or 4)`, its upper 8 bits."""
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def _bad(item: Item, fault: str, words: str) -> Look:
    return Look(item, (Finding.of(fault, item.name, words),))


def _no_picture(item: Item, data: bytes) -> Look:
    """Return what a file is that no picture could be read from."""
    if not item.name.lower().endswith(SUFFIXES):
        suffix = PurePosixPath(item.name).suffix.lower() or "a file without suffix"
        return _bad(item, "stray", f"{suffix}, among pictures")
    if data.startswith(_BEGINNINGS):
        return _bad(item, "damaged", "begins as a picture does, and is none")
    is_text = all(byte >= 32 or byte in b"\t\n\r" for byte in data[:512])
    return _bad(item, "no_picture", "holds text" if is_text else "holds something else")


def _size(image: Image.Image) -> tuple[int, int]:
    width, height = image.size
    return (height, width) if orientation(image) >= 5 else (width, height)


def _of_header(item: Item, image: Image.Image, data: bytes) -> Iterator[Finding]:
    """Yield what shows before the pixels are decoded."""
    name, kind = item.name, str(image.format)
    if kind in CONVERTED:
        yield Finding.of("other_format", name, f"a {kind}, which training does not read")
    elif PurePosixPath(name).suffix.lower() not in READ[kind]:
        yield Finding.of("wrong_suffix", name, f"is a {kind}")
    if (turn := orientation(image)) > 1:
        yield Finding.of("turned", name, f"orientation {turn} of 8")
    if image.mode == "CMYK":
        yield Finding.of("cmyk", name, "colours of print")
    # Pillow reads the upper 8 bits of colours of 16 and says nothing; the header of a PNG does.
    if image.mode[0] in "IF" or (kind == "PNG" and data[24:25] == b"\x10"):
        bits = 16 if image.mode != "F" else 32
        yield Finding.of("deep", name, f"{bits} bits, of which training reads the upper 8")
    if image.has_transparency_data:
        yield Finding.of("transparent", name, "training lays it on white")
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and kind != "MPO":
        yield Finding.of("animated", name, f"{frames} frames, of which training reads the first")
    yield from _of_size(item, _size(image))
    yield from _of_metadata(item, image)


def _of_size(item: Item, size: tuple[int, int]) -> Iterator[Finding]:
    shorter, longer = sorted(size)
    if shorter < TINIEST:
        yield Finding.of("tiny", item.name, f"{size[0]}x{size[1]} pixels")
    elif longer > NARROWEST * shorter:
        yield Finding.of("narrow", item.name, f"{size[0]}x{size[1]} pixels")


def _of_metadata(item: Item, image: Image.Image) -> Iterator[Finding]:
    """Yield what a picture says that no pixel shows."""
    try:
        is_placed = bool(image.getexif().get_ifd(_GPS))
    except Exception:  # whatever Pillow makes of metadata that are none
        yield Finding.of("bulky", item.name, "EXIF that cannot be read")
    else:
        if is_placed:
            yield Finding.of("whereabouts", item.name, "the place in its EXIF")
    profile = image.info.get("icc_profile")
    if profile and "srgb" not in (called := _called(profile)).lower():
        yield Finding.of("profile", item.name, f"{called}; training reads the numbers as sRGB")
    told = (value for value in image.info.values() if isinstance(value, bytes | str))
    if (length := sum(map(len, told))) > MOST_METADATA:
        yield Finding.of("bulky", item.name, f"{length / 1000:.0f} kB")


def _called(profile: bytes) -> str:
    """Return what a colour profile calls itself."""
    import io

    try:
        name = ImageCms.getProfileDescription(ImageCms.getOpenProfile(io.BytesIO(profile)))
    except (OSError, ImageCms.PyCMSError):
        return "a damaged profile"
    return " ".join(name.split())[:60] or "a profile without a name"


def _pixels(item: Item, image: Image.Image) -> tuple[dict[str, Any], list[Finding]]:
    """Return what a look keeps of the pixels that are trained on, and what is odd about them."""
    if math.prod(image.size) > LARGEST_LOOK:
        image = image.reduce(math.ceil(math.sqrt(math.prod(image.size) / LARGEST_LOOK)))
    image = image.convert("RGB")
    colours = np.asarray(image).reshape(-1, 3).astype(np.float32)  # (pixels, 3)
    mean, square = colours.mean(axis=0), np.square(colours).mean(axis=0)
    findings = []
    if (square - mean**2).max() < FLATTEST**2 and min(image.size) >= TINIEST:
        shade = {0: "all black", 255: "all white"}.get(round(float(mean.mean())), "no shape")
        findings.append(Finding.of("blank", item.name, shade))
    small = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=3).convert("YCbCr")
    tint = small.resize((TINT_SIDE, TINT_SIDE), Image.Resampling.BOX)
    kept = {
        "mean": tuple((mean / 255).tolist()),
        "square": tuple((square / 255**2).tolist()),
        "small": np.asarray(small)[..., 0].copy(),  # not a view that keeps the other channels
        "tint": np.asarray(tint)[..., 1:].copy(),
    }
    return kept, findings
