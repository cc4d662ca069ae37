"""One picture, from a file to pixels: formats, sizes, colours, metadata."""

import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps, PngImagePlugin

from tests.zoo.data.drawing import draw, examples, photos, refusal
from zoo.data import describe, images, photographs, prepare
from zoo.data.photographs import header, read

pytestmark = pytest.mark.usefixtures("home")


def test_truncated_image(tmp_path, home):
    root = photos(tmp_path / "photos", size=(64, 64))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    Image.fromarray(noise).save(root / "1.jpg")
    whole = (root / "1.jpg").read_bytes()
    (root / "1.jpg").write_bytes(whole[: len(whole) // 2])
    assert f"{root / '1.jpg'} cannot be read" in refusal(root)
    assert not list(home.iterdir())


def test_mixed_sizes(tmp_path):
    root = photos(tmp_path / "photos")
    draw(root / "wide.jpg", size=(40, 20))
    message = refusal(root)
    assert "0.png is 8x8 and wide.jpg is 40x20; set data.resize=true" in message
    assert describe(prepare(str(root), image_size=(16, 12))).image_shape == (16, 12, 1)


def aimed(tall, wide, height, width):
    """A picture whose largest part of an aspect ratio, about its centre, is red from left to right,
    green from top to bottom, and blue, where all around it is black.
    """
    inner_width, inner_height = min(wide, tall * width // height), min(tall, wide * height // width)
    left, top = (wide - inner_width) // 2, (tall - inner_height) // 2
    picture = np.zeros((tall, wide, 3), np.uint8)
    inner = picture[top : top + inner_height, left : left + inner_width]
    inner[..., 0] = np.linspace(0, 255, inner_width)
    inner[..., 1] = np.linspace(0, 255, inner_height)[:, None]
    inner[..., 2] = 255
    return picture


def read_from_a_file(picture, shape, place):
    Image.fromarray(picture).save(place / "0.png")
    return read(place / "0.png", shape)


def read_from_a_data_set(picture, shape, place):
    return images._fit(tf.constant(picture), shape).numpy()


@pytest.mark.parametrize("how", [read_from_a_file, read_from_a_data_set])
@pytest.mark.parametrize(("tall", "wide"), [(120, 480), (480, 120), (120, 120)])
@pytest.mark.parametrize(("height", "width"), [(10, 10), (10, 20), (20, 10), (10, 40)])
def test_pictures_are_cropped_to_the_wanted_aspect(how, tall, wide, height, width, tmp_path):
    found = how(aimed(tall, wide, height, width), (height, width, 3), tmp_path).astype(int)
    across, down = (255 * (np.arange(n) + 0.5) / n for n in (width, height))
    assert np.abs(found[..., 0] - across)[2:-2, 2:-2].max() < 12  # half a pixel of the picture
    assert np.abs(found[..., 1] - down[:, None])[2:-2, 2:-2].max() < 12
    assert found[..., 2].min() > 230  # at the edge a little of what is around


def test_one_size_needs_no_square(tmp_path):
    builder = prepare(str(photos(tmp_path / "wide", size=(12, 6))))
    assert describe(builder).image_shape == (6, 12, 1)


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "bmp", "gif", "webp", "PNG"])
def test_formats(tmp_path, suffix):
    draw(tmp_path / f"a.{suffix}", mode="RGB", fill=(200, 100, 50))
    draw(tmp_path / f"b.{suffix}", mode="RGB", fill=(200, 100, 50))
    builder = prepare(str(tmp_path))
    (example,) = examples(builder, "test")
    assert example["image"].shape == (8, 8, 3)
    assert np.abs(example["image"].astype(int) - (200, 100, 50)).max() <= 4


def test_grey_among_colour_becomes_colour(tmp_path):
    root = photos(tmp_path / "photos", fill=90)
    draw(root / "red.png", mode="RGB", fill=(255, 0, 0))
    builder = prepare(str(root))
    assert describe(builder).image_shape == (8, 8, 3)
    found = {tuple(e["image"][0, 0]) for s in ("train", "test") for e in examples(builder, s)}
    assert found == {(90, 90, 90), (255, 0, 0)}


def test_transparency_sixteen_bits_and_orientation(tmp_path):
    draw(tmp_path / "clear" / "0.png", mode="RGBA", fill=(0, 0, 0, 0))
    draw(tmp_path / "clear" / "1.png", mode="RGBA", fill=(0, 0, 0, 0))
    assert (examples(prepare(str(tmp_path / "clear")), "test")[0]["image"] == 255).all()

    (tmp_path / "deep").mkdir()
    for name in ("0.png", "1.png"):
        Image.fromarray(np.full((8, 8), 0x8034, np.uint16)).save(tmp_path / "deep" / name)
    builder = prepare(str(tmp_path / "deep"))
    assert describe(builder).image_shape == (8, 8, 1)
    assert (examples(builder, "test")[0]["image"] == 0x80).all()

    (tmp_path / "turned").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("0.jpg", "1.jpg"):
        Image.new("L", (16, 8), 9).save(tmp_path / "turned" / name, exif=exif)
    builder = prepare(str(tmp_path / "turned"))
    assert describe(builder).image_shape == (16, 8, 1)
    assert examples(builder, "test")[0]["image"].shape == (16, 8, 1)


def exif(tag, kind, value, count=1):
    """The bytes of EXIF with one entry, little endian; more than 4 bytes lie behind it."""
    inside, behind = (value.ljust(4, b"\0"), b"") if len(value) <= 4 else (b"\x1a\0\0\0", value)
    entry = struct.pack("<HHHI", 1, tag, kind, count) + inside + bytes(4)
    return b"Exif\0\0II*\0\x08\0\0\0" + entry + behind


ORIENTATION, RESOLUTION = 0x0112, 0x011A
ODD_METADATA = {
    "orientation as text": exif(ORIENTATION, 2, b"6\0", 2),
    "orientation as bytes": exif(ORIENTATION, 7, b"abcdef", 6),
    "orientation 9": exif(ORIENTATION, 3, struct.pack("<H", 9)),
    "orientation 0": exif(ORIENTATION, 3, struct.pack("<H", 0)),
    "orientation -1/0": exif(ORIENTATION, 10, struct.pack("<ii", -1, 0)),
    "orientation 6.5": exif(ORIENTATION, 11, struct.pack("<f", 6.5)),
    "resolution -1/0": exif(RESOLUTION, 10, struct.pack("<ii", -1, 0)),
    "no TIFF header": b"Exif\0\0nonsense",
    "nothing": b"Exif\0\0",
    "half a header": b"Exif\0\0II*\0",
    "an offset beyond the end": b"Exif\0\0II*\0" + struct.pack("<I", 99999),
}


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
@pytest.mark.parametrize("what", ODD_METADATA)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data", "ignore:Metadata Warning")
def test_odd_metadata_are_ignored(tmp_path, what, suffix):
    path, picture = tmp_path / f"0.{suffix}", np.zeros((8, 16, 3), np.uint8)
    picture[:, :8] = 255
    data = ODD_METADATA[what]
    if suffix == "png":  # a chunk without the marker of JPEG
        chunks = PngImagePlugin.PngInfo()
        chunks.add(b"eXIf", data.removeprefix(b"Exif\0\0"))
        Image.fromarray(picture).save(path, pnginfo=chunks)
    else:
        Image.fromarray(picture).save(path, exif=data)
    assert header(path) == ((16, 8), True)
    assert np.abs(read(path, (8, 16, 3)).astype(int) - picture).max() < 60


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_as_the_camera_says(tmp_path, orientation):
    picture = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    data = Image.Exif()
    data[ORIENTATION] = orientation
    Image.fromarray(picture).save(tmp_path / "0.png", exif=data)
    with Image.open(tmp_path / "0.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    (width, height), _ = header(tmp_path / "0.png")
    found = read(tmp_path / "0.png", (height, width, 1))[..., 0]
    np.testing.assert_array_equal(found, expected)


def test_more_pixels_than_pillow_allows_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # it refuses from twice that on
    draw(tmp_path / "0.png", size=(20, 20))
    assert read(tmp_path / "0.png", (20, 20, 1)).mean() == 100
    assert Image.MAX_IMAGE_PIXELS == 100
    assert photographs.MOST_PIXELS > 196_000_000


def test_too_many_pixels_are_refused_by_name_and_before_they_are_read(tmp_path):
    draw(tmp_path / "photos" / "0.png")
    picture = (tmp_path / "photos" / "0.png").read_bytes()
    size = struct.pack(">II", 20_000, 30_000)
    chunk = b"IHDR" + size + picture[24:29]
    bomb = picture[:12] + chunk + struct.pack(">I", zlib.crc32(chunk)) + picture[33:]
    (tmp_path / "photos" / "1.png").write_bytes(bomb)
    message = refusal(tmp_path / "photos", image_size=(8, 8))
    assert "1.png has 20000x30000 pixels, 600 million; at most 256 million can be read" in message
