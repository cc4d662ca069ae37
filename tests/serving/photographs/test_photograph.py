"""Photographs as people have them: turned, transparent, in other colours, damaged, huge, tiny."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from serving.errors import GenzooError, UsageError
from serving.photographs import bicubic, photograph
from serving.photographs.enlarging import Enlarger
from serving.photographs.photograph import Photograph

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ORIENTATION = 0x0112


def picture(*shape, seed=0):
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def blurring(scale, reach):
    """A network that looks `reach` pixels around each, and minds where the image ends."""

    def network(image):
        padded = np.pad(image, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
        size = 2 * reach + 1
        windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))
        weights = np.random.RandomState(1).random_sample((size, size)).astype(np.float32)
        blurred = (windows * (weights / weights.sum())).sum((-2, -1))
        return blurred.repeat(scale, axis=1).repeat(scale, axis=2)

    return network


def enlarger(colours=1, scale=2, reach=4, piece=16):
    return Enlarger(blurring(scale, reach), scale, colours, reach, piece)


# --- pieces ---


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 60), st.integers(1, 60), st.integers(1, 4), st.sampled_from([1, 3]),
    st.integers(0, 5),
)  # fmt: skip
def test_pieces_fit_together_without_seams(height, width, channels, colours, reach):
    pixels = picture(height, width, channels)
    pieced = enlarger(colours, reach=reach)(Photograph.of(pixels))
    whole = enlarger(colours, reach=reach).pixels(pixels)
    found = photograph.pixels_of(pieced.image)
    assert found.shape == (2 * height, 2 * width, channels)
    # Sums over pieces of other sizes may be rounded otherwise.
    assert np.abs(found.astype(int) - whole).max() <= 1
    if channels in (2, 4):
        np.testing.assert_array_equal(found[..., -1:], bicubic.enlarge(pixels[..., -1:], 2))


def test_of_a_long_and_narrow_photograph_no_piece_is_large():
    seen = []

    def network(image):
        seen.append(image.shape[1:3])
        return image.repeat(2, axis=1).repeat(2, axis=2)

    larger = Enlarger(network, 2, 1, reach=7, piece=256)(Photograph.of(picture(3, 20_000)))
    assert larger.size == (6, 40_000)
    assert len(seen) == 79 and max(width for _, width in seen) <= 256 + 14


def test_colours_that_a_network_of_luminance_does_not_see_are_bicubic():
    pixels = np.stack([np.full((8, 8), 90), *picture(2, 8, 8) // 4 + 90], axis=2).astype(np.uint8)
    same = Enlarger(lambda image: bicubic.enlarge(image[0], 3)[None], 3, 1, reach=2)
    found = same.pixels(pixels)
    smooth = bicubic.enlarge(pixels.astype(np.float32), 3)
    assert np.abs(found - smooth).max() <= 0.51


def test_what_is_no_number_is_said():
    broken = Enlarger(lambda image: image * np.nan, 2, 1, reach=0)
    with pytest.raises(GenzooError, match="values that are not numbers"):
        broken(Photograph.of(picture(4, 4, 3)))


# --- files ---


def test_a_photograph_is_upright_and_keeps_its_profile_and_what_is_transparent(tmp_path):
    pixels = picture(6, 9, 4)
    exif = Image.Exif()
    exif[ORIENTATION] = 6  # to be turned by a quarter
    file = tmp_path / "turned.png"
    Image.fromarray(pixels).save(file, exif=exif, icc_profile=SRGB)
    read = Photograph.read(file)
    np.testing.assert_array_equal(np.asarray(read.image), np.rot90(pixels, -1))
    assert read.profile == SRGB and read.size == (9, 6)
    larger = enlarger()(read)
    for name in ("large.png", "large.webp", "large.tif"):
        larger.save(tmp_path / name)
        again = Image.open(tmp_path / name)
        assert again.mode == "RGBA" and again.size == (12, 18), name
        assert again.info["icc_profile"] == SRGB and not again.getexif().get(ORIENTATION), name


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("L", "L"), ("LA", "LA"), ("1", "L"), ("P", "RGB"), ("RGBA", "RGBA"), ("CMYK", "RGB"),
     ("YCbCr", "RGB"), ("LAB", "RGB"), ("I;16", "L"), ("I", "L"), ("F", "L")],
)  # fmt: skip
def test_every_kind_of_colours_becomes_8_bits_of_grey_or_rgb(mode, expected, tmp_path):
    levels = picture(5, 7)
    if mode in ("I;16", "I"):
        wide = levels.astype(np.uint16 if mode == "I;16" else np.int32) * 257
        image = Image.fromarray(wide)
    elif mode == "LAB":  # which Pillow does not convert to
        image = Image.fromarray(picture(5, 7, 3), "LAB")
    else:
        image = Image.fromarray(levels).convert(mode)
    image.save(file := tmp_path / "photo.tif")
    read = Photograph.read(file)
    assert read.image.mode == expected and read.size == (5, 7)
    if mode in ("I;16", "I", "F", "L"):
        np.testing.assert_array_equal(np.asarray(read.image), levels)


def test_a_palette_with_a_clear_colour_stays_clear(tmp_path):
    image = Image.fromarray(picture(4, 4) % 4).convert("P")
    image.save(file := tmp_path / "photo.png", transparency=0)
    assert Photograph.read(file).image.mode == "RGBA"


def test_the_profile_of_cmyk_is_not_taken_for_one_of_rgb(tmp_path):
    image = Image.fromarray(picture(4, 4, 3)).convert("CMYK")
    image.save(file := tmp_path / "print.jpg", icc_profile=SRGB)
    read = Photograph.read(file)
    assert read.image.mode == "RGB" and read.profile is None


@pytest.mark.parametrize("size", [(1, 1), (1, 4), (20, 3)])
def test_the_smallest_are_enlarged(size):
    assert enlarger()(Photograph.of(picture(*size, 3))).size == (2 * size[0], 2 * size[1])


def test_what_is_no_photograph_is_refused_in_one_line(tmp_path, monkeypatch):
    frames = [Image.fromarray(picture(4, 4, seed=seed)) for seed in range(3)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    Image.fromarray(picture(40, 40, 3)).save(tmp_path / "whole.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    said = {
        "moving.gif": "is animated, or has 3 pictures",
        "text.png": "cannot be read as a photograph",
        "empty.png": "cannot be read as a photograph",
        "half.png": "cannot be read as a photograph",
        "none.png": "No such file",
    }
    for name, words in said.items():
        with pytest.raises(UsageError, match=words) as raised:
            Photograph.read(tmp_path / name)
        assert name in str(raised.value) and "\n" not in str(raised.value)
    monkeypatch.setattr(photograph, "MOST_PIXELS", 1599)
    with pytest.raises(UsageError, match="40x40 pixels, 0 million; expected 0 million at most"):
        Photograph.read(tmp_path / "whole.png")
    with pytest.raises(UsageError, match="the enlarged photograph has 60x60"):
        enlarger()(Photograph.of(picture(30, 30)))


@pytest.mark.parametrize("pixels", [picture(4), picture(4, 4, 5), np.zeros((2, 2)), picture(0, 3)])
def test_pixels_of_another_shape_are_refused(pixels):
    with pytest.raises(UsageError, match="the photograph"):
        Photograph.of(pixels)


def test_a_file_that_cannot_hold_it_is_refused_and_left_alone(tmp_path):
    clear = Photograph.of(picture(4, 4, 4))
    with pytest.raises(UsageError, match="JPEG has nothing transparent"):
        clear.save(tmp_path / "large.jpg")
    wide = Photograph.of(np.zeros((1, 17_000), np.uint8))
    with pytest.raises(UsageError, match="17000 pixels does not fit into"):
        wide.save(tmp_path / "large.webp")
    assert not [*tmp_path.iterdir()]
