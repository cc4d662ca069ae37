"""Photographs repaired in pieces, with masks as people draw them, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from serving.errors import GenzooError, UsageError
from serving.photographs import colouring
from serving.photographs.given import changed
from serving.photographs.holes import around, halved, inside
from serving.photographs.photograph import Photograph, pixels_of
from serving.photographs.repairing import Mender
from serving.photographs.tasks import TASKS

MULTIPLE, REACH = 4, 7
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def picture(*shape, seed=0):
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


def network(image, mask, task):
    """Look around each pixel, at whole 4x4 too, and mind where the image ends and what to do."""
    assert all(side % MULTIPLE == 0 for side in image.shape[1:3])
    batch, height, width, _ = image.shape
    seen = image * (1 - mask)
    coarse = seen.reshape(batch, height // 4, 4, width // 4, 4, 3).mean((2, 4))
    coarse = coarse.repeat(4, axis=1).repeat(4, axis=2)
    reach = REACH - 3
    padded = np.pad(coarse + seen, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    found = padded[:, : -2 * reach, : -2 * reach] + padded[:, 2 * reach :, 2 * reach :]
    return found / 4 + np.float32(0.05) * task[:, None, None, None]


def mender(coloured=64, piece=16, run=network, depth=5):
    return Mender(run, TASKS, MULTIPLE, REACH, coloured, depth, piece)


def mask_of(height, width, seed=1):
    mask = np.random.RandomState(seed).random_sample((height, width)) < 0.3
    mask[0, 0], mask[-1, -1] = True, False
    return mask


# --- pieces ---


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from(TASKS))
def test_pieces_fit_together_without_seams(height, width, task):
    if height * width == 1:
        return
    pixels, mask = picture(height, width, 3), mask_of(height, width)
    pieced = mender().pixels(pixels, task, mask)
    whole = mender(piece=1024).pixels(pixels, task, mask)
    assert np.abs(pieced.astype(int) - whole).max() <= 1  # sums may be rounded otherwise
    np.testing.assert_array_equal(pieced[~mask], pixels[~mask])


def test_of_a_long_and_narrow_photograph_no_piece_is_large():
    seen = []

    def run(image, mask, task):
        seen.append(image.shape[1:3])
        return image

    photograph = Photograph.of(picture(3, 20_000, 3))
    same = mender(piece=256, run=run)(photograph, "denoise")
    np.testing.assert_array_equal(same.pixels, photograph.pixels)
    assert len(seen) == 79 and max(width for _, width in seen) <= 256 + 16


def test_pieces_without_anything_to_repair_are_left_out():
    seen = []

    def run(image, mask, task):
        seen.append(mask.sum())
        return image

    mask = np.zeros((64, 64), bool)
    mask[40:44, 4:8] = True
    mender(run=run).pixels(picture(64, 64, 3), "inpaint", mask)
    assert seen == [16]


@pytest.mark.parametrize("task", TASKS)
def test_a_photograph_of_one_pixel(task):
    pixel = picture(1, 1, 3)
    assert mender().pixels(pixel, task, None if task != "inpaint" else np.ones((1, 1), bool)).shape


# --- holes ---


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 6), st.integers(0, 99))
def test_the_inside_of_a_hole_is_far_from_all_that_is_known(height, width, depth, seed):
    unknown = np.random.RandomState(seed).random_sample((height, width)) < 0.97
    found = inside(unknown, depth)
    for row, column in np.ndindex(height, width):
        rows = slice(max(row - depth, 0), row + depth + 1)
        columns = slice(max(column - depth, 0), column + depth + 1)
        assert found[row, column] == unknown[rows, columns].all()


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 99))
def test_half_a_photograph_is_the_mean_of_what_is_known(height, width, seed):
    pixels, unknown = picture(height, width, 3, seed=seed), mask_of(height, width, seed)
    small, left = halved(pixels, unknown)
    assert small.shape == (-(-height // 2), -(-width // 2), 3)
    for row, column in np.ndindex(height // 2, width // 2):
        four = np.s_[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        known = ~unknown[four]
        assert left[row, column] == (not known.any())
        if known.any():
            mean = pixels[four][known].mean(axis=0)
            assert np.abs(small[row, column] - mean).max() <= 0.5


def test_a_wide_hole_is_filled_from_around_however_little_the_network_sees():
    def spread(image, mask, task):
        """Fill a pixel with the mean of those known within 2 pixels, if there are any."""
        weights = np.pad(1 - mask, ((0, 0), (2, 2), (2, 2), (0, 0)))
        levels = np.pad(image * (1 - mask), ((0, 0), (2, 2), (2, 2), (0, 0)))
        sums = [
            np.lib.stride_tricks.sliding_window_view(each, (5, 5), (1, 2)).sum((-2, -1))
            for each in (levels, weights)
        ]
        return np.where(mask > 0, sums[0] / np.maximum(sums[1], 1), image).astype(np.float32)

    pixels, unknown = np.full((80, 90, 3), 200, np.uint8), np.zeros((80, 90), bool)
    unknown[10:70, 15:75] = True
    pixels[unknown] = 7
    found = mender(run=spread, depth=2).pixels(pixels, "inpaint", unknown)
    assert np.abs(found.astype(int) - 200).max() <= 1
    plain = mender(run=spread, depth=1000).pixels(pixels, "inpaint", unknown)
    assert plain[40, 45].max() == 0


def test_of_a_large_photograph_only_what_lies_around_a_hole_is_looked_at():
    unknown = np.zeros((1000, 2000), bool)
    unknown[500:510, 300:320] = True
    rows, columns = around(unknown, 8)
    assert (rows.start, rows.stop, columns.start, columns.stop) == (488, 520, 280, 340)


# --- colours ---


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([8, 16, 64]))
def test_colours_change_no_brightness(height, width, coloured):
    def run(image, mask, task):
        return image + np.float32([0.5, -0.1, -0.3])

    pixels = picture(height, width, 3)
    found = mender(coloured=coloured, run=run).pixels(pixels, "colourise", None)
    bright = colouring.grey(pixels)[..., 0].astype(int)
    assert np.abs(colouring.grey(found)[..., 0] - bright).max() <= 1
    # What lies between black and white has the colour; neither of these has room for one.
    between = (bright > 60) & (bright < 200)
    assert (np.ptp(found.astype(int), axis=2)[between] > 20).all()


def test_what_is_grey_stays_grey_unless_it_is_given_colours():
    grey = Photograph(Image.fromarray(picture(9, 8)), SRGB)
    for task in ("denoise", "deblur"):
        made = mender()(grey, task)
        assert made.image.mode == "L" and made.profile == SRGB
    coloured = mender()(grey, "colourise")
    assert coloured.image.mode == "RGB" and coloured.profile is None


# --- what belongs to a photograph ---


def test_alpha_and_profile_are_kept():
    pixels = picture(9, 8, 4)
    photograph = Photograph(Photograph.of(pixels).image, SRGB)
    made = mender()(photograph, "denoise")
    np.testing.assert_array_equal(pixels_of(made.image)[..., 3], pixels[..., 3])
    assert made.profile == SRGB and np.any(made.pixels != photograph.pixels)
    clear = mender()(Photograph.of(picture(9, 8, 2)), "colourise")
    assert clear.image.mode == "RGBA"


def test_photographs_of_cameras_and_printers_are_read_as_they_are_seen(tmp_path):
    upright = Image.fromarray(picture(6, 9, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    made = mender()(Photograph.read(tmp_path / "turned.png"), "denoise")
    np.testing.assert_array_equal(
        made.pixels, mender()(Photograph.of(picture(6, 9, 3)), "denoise").pixels
    )
    upright.convert("CMYK").save(tmp_path / "printed.tif")
    assert mender()(Photograph.read(tmp_path / "printed.tif"), "deblur").image.mode == "RGB"
    deep = Image.fromarray(picture(6, 9).astype(np.uint16) * 257)
    deep.save(tmp_path / "deep.png")
    assert mender()(Photograph.read(tmp_path / "deep.png"), "colourise").image.mode == "RGB"


def test_what_is_given_is_what_comes_back():
    def same(photograph):
        return photograph

    for shape in ((3, 4), (3, 4, 1), (3, 4, 2), (3, 4, 3), (3, 4, 4)):
        np.testing.assert_array_equal(changed(picture(*shape), same), picture(*shape))
    assert changed(Image.fromarray(picture(3, 4)), same).image.mode == "L"


# --- masks ---


def test_a_mask_may_be_grey_coloured_or_transparent():
    photograph, wanted = Photograph.of(picture(8, 8, 3)), np.zeros((8, 8), bool)
    wanted[2:5, 3:6] = True
    levels = np.where(wanted, 255, 0).astype(np.uint8)
    expected = mender()(photograph, "inpaint", Photograph.of(levels)).pixels
    white = np.full((8, 8, 3), 255, np.uint8)
    others = [
        np.where(wanted, 128, 127).astype(np.uint8),
        levels[..., None].repeat(3, axis=2),
        np.dstack([white, levels]),
    ]
    for other in others:
        found = mender()(photograph, "inpaint", Photograph.of(other)).pixels
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(expected[~wanted], photograph.pixels[~wanted])


@pytest.mark.parametrize("task", ["denoise", "colourise"])
def test_a_mask_says_where_anything_is_done(task):
    photograph, mask = Photograph.of(picture(12, 8, 3)), np.zeros((12, 8), np.uint8)
    mask[6:] = 255
    found = mender()(photograph, task, Photograph.of(mask)).pixels
    everywhere = mender()(photograph, task).pixels
    np.testing.assert_array_equal(found[:6], photograph.pixels[:6])
    np.testing.assert_array_equal(found[6:], everywhere[6:])
    whole = Photograph.of(np.full((12, 8), 255, np.uint8))
    np.testing.assert_array_equal(mender()(photograph, task, whole).pixels, everywhere)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (None, "there is no mask; give one that is white"),
        (np.full((4, 5), 255), "the mask has 5x4 pixels and the photograph 8x6; give a mask of"),
        (np.zeros((6, 8)), "black everywhere, so that nothing is to be repaired"),
        (np.full((6, 8), 255), "white everywhere, so that nothing is known"),
    ],
)
def test_a_mask_that_is_none_is_one_line(mask, said):
    given = None if mask is None else Photograph.of(mask.astype(np.uint8))
    with pytest.raises(UsageError, match=said) as raised:
        mender()(Photograph.of(picture(6, 8, 3)), "inpaint", given)
    assert "\n" not in str(raised.value)


def test_what_is_no_number_is_said():
    broken = mender(run=lambda image, mask, task: image * np.nan)
    with pytest.raises(GenzooError, match="values that are not numbers"):
        broken(Photograph.of(picture(6, 8, 3)), "denoise")
