"""What is done to photographs: within what is said of it, and the same for the same seed."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from serving.photographs import colouring
from serving.photographs.tasks import TASKS
from tests.zoo.restoration.tiny_restoration import draw
from zoo.repair import degradations, floors
from zoo.repair.degradations import Degraded, blur, degrade, draw_mask


def random(seed=0):
    return np.random.RandomState(seed)


@pytest.mark.parametrize("task", TASKS)
def test_the_same_seed_degrades_the_same_way(task):
    pixels = draw(40, 48, 1)
    first, again, other = (degrade(pixels, task, random(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    np.testing.assert_array_equal(first.mask, again.mask)
    assert first.pixels.dtype == np.uint8 and first.pixels.shape == pixels.shape
    assert np.any(first.pixels != pixels)
    assert np.any(first.pixels != other.pixels) == (task != "colourise")
    assert first.mask.any() == (task == "inpaint")


@settings(max_examples=40, deadline=None)
@given(st.integers(24, 80), st.integers(24, 80), st.integers(0, 1000))
def test_masks_are_a_tenth_to_two_fifths_of_the_area(height, width, seed):
    mask = draw_mask(height, width, random(seed))
    assert mask.shape == (height, width)
    assert 0.1 <= mask.mean() <= 0.4


def test_masks_have_corners_and_curves():
    masks = [draw_mask(64, 64, random(seed)) for seed in range(30)]
    rows = [np.flatnonzero(mask.any(axis=1)) for mask in masks]
    straight = [
        all(
            len({*np.flatnonzero(mask[row])}) == np.ptp(np.flatnonzero(mask[row])) + 1
            for row in own
        )
        for mask, own in zip(masks, rows, strict=True)
    ]
    assert 0 < sum(straight) < len(masks)


def test_what_is_unknown_says_nothing():
    pixels = draw(32, 32, 2)
    degraded = degrade(pixels, "inpaint", random())
    assert (degraded.pixels[degraded.mask] == degradations.PLAIN).all()
    np.testing.assert_array_equal(degraded.pixels[~degraded.mask], pixels[~degraded.mask])


def test_grey_is_that_of_pillow():
    pixels = draw(30, 20, 3)
    found = degrade(pixels, "colourise", random()).pixels
    expected = np.asarray(Image.fromarray(pixels).convert("L")).astype(int)
    assert np.abs(found - expected[..., None]).max() <= 1


def test_noise_has_the_sigma_that_is_said():
    grey = np.full((128, 128, 3), 128, np.uint8)
    for seed in range(4):
        degraded = degrade(grey, "denoise", random(seed))
        assert 5 <= degraded.sigma <= 50
        assert (degraded.pixels.astype(float) - 128).std() == pytest.approx(
            degraded.sigma, rel=0.05
        )


def test_a_blur_is_the_gaussian_that_is_said():
    point = np.zeros((41, 41, 3), np.float32)
    point[20, 20] = 1
    found = blur(point, 1.7)[..., 0]
    rows, columns = np.mgrid[:41, :41] - 20
    expected = np.exp(-(rows**2 + columns**2) / (2 * 1.7**2))
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-5)
    flat = np.full((9, 7, 3), 91, np.uint8)
    np.testing.assert_allclose(blur(flat, 2.5), 91, atol=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_colours_within_levels_are_as_bright_as_before(seed):
    made = random(seed)
    bright = made.uniform(0, 255, (5, 4, 1))
    colour = made.normal(0, 80, (5, 4, 3))
    colour -= (colour @ colouring.WEIGHTS)[..., None]
    found = colouring.within_levels(bright + colour)
    assert found.min() >= -1e-3 and found.max() <= 255 + 1e-3
    np.testing.assert_allclose(found @ colouring.WEIGHTS, bright[..., 0], atol=1e-3)


# --- the plain ways ---


def error(found, real):
    return np.mean((found.astype(float) - real) ** 2)


@pytest.mark.parametrize("task", TASKS)
def test_a_plain_way_is_better_than_to_do_nothing(task):
    smooth = [blur(draw(64, 64, seed), 1.0).round().astype(np.uint8) for seed in range(4)]
    ways = [way for floor in floors.floors_of(task, smooth) for way in floor.ways]
    cases = [(pixels, degrade(pixels, task, random(at))) for at, pixels in enumerate(smooth)]
    nothing = np.mean([error(degraded.pixels, pixels) for pixels, degraded in cases])
    found = [np.mean([error(way(degraded), pixels) for pixels, degraded in cases]) for way in ways]
    assert min(found) < 0.95 * nothing


def test_a_wiener_filter_undoes_a_blur_that_it_knows():
    pixels = blur(draw(48, 64, 5), 1.2).round().astype(np.uint8)
    blurred = Degraded(blur(pixels, 1.5).round().astype(np.uint8), np.zeros((48, 64), bool), 1.5)
    sharper = floors.wiener(blurred, 300.0)
    assert error(sharper, pixels) < 0.3 * error(blurred.pixels, pixels)
