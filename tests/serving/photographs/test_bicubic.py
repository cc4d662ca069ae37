"""Bicubic resizing, brightness and colour apart, and the scores that papers measure by."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serving.photographs import bicubic
from serving.photographs.luminance import from_luminance, luminance, to_rgb, to_ycbcr
from serving.photographs.photograph import Photograph
from zoo.restoration.evaluate import benchmarks
from zoo.restoration.scores import psnr, ssim

PICTURES = Path(__file__).parents[4] / "shared/data/pictures"  # beside the checkout
PUBLISHED = {
    "set5": {2: 33.64, 3: 30.39, 4: 28.42},
    "set14": {2: 30.22, 3: 27.53, 4: 25.99},
    "bsd100": {2: 29.55, 3: 27.20, 4: 25.96},
}
FOLDERS = {"set5": "Set5", "set14": "Set14", "bsd100": "BSD100"}
SOME = st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)).flatmap(
    lambda shape: arrays(np.uint8, shape)
)


@pytest.mark.skipif(not PICTURES.is_dir(), reason=f"there is no {PICTURES}")
@pytest.mark.parametrize("name", PUBLISHED)
def test_small_pictures_and_the_score_of_bicubic_are_the_published_ones(name):
    hashes = json.loads((PICTURES / "lr_sha256.json").read_text())
    scores: dict[int, list[float]] = {scale: [] for scale in PUBLISHED[name]}
    for file in benchmarks(PICTURES)[name]:
        whole = Photograph.read(file).pixels
        for scale, found in scores.items():
            height, width = (length // scale * scale for length in whole.shape[:2])
            real = whole[:height, :width]
            small = np.ascontiguousarray(bicubic.shrink(real, scale))
            known = hashes[f"{FOLDERS[name]}/{file.name}/x{scale}"]
            assert hashlib.sha256(small.tobytes()).hexdigest() == known, (file.name, scale)
            found.append(psnr(bicubic.enlarge(small, scale), real, scale))
    for scale, found in scores.items():
        assert np.mean(found) == pytest.approx(PUBLISHED[name][scale], abs=0.01)


@settings(max_examples=30, deadline=None)
@given(SOME, st.integers(2, 4))
def test_of_one_colour_a_picture_stays_and_none_leaves_the_range(pixels, scale):
    larger = bicubic.enlarge(pixels, scale)
    assert larger.shape == (pixels.shape[0] * scale, pixels.shape[1] * scale, 3)
    plain = np.full_like(pixels, pixels[0, 0, 0])
    for changed in (bicubic.enlarge(plain, scale), bicubic.shrink(np.repeat(plain, scale, 0), 1)):
        assert (changed == plain[0, 0, 0]).all()
    np.testing.assert_array_equal(bicubic.shrink(pixels, 1), pixels)
    # Columns and rows are treated alike, but for the rounding between them, where none is cut off.
    middle = pixels // 2 + 64
    turned = bicubic.enlarge(middle.swapaxes(0, 1), scale).swapaxes(0, 1)
    assert np.abs(turned.astype(int) - bicubic.enlarge(middle, scale)).max() <= 2


def test_enlarging_is_the_mean_of_the_nearest_by_the_cubic_of_keys():
    line = np.random.RandomState(0).random_sample(12)
    larger = bicubic.enlarge(line[:, None, None], 2)[:, 0, 0]
    at = 5  # new pixel 11 lies a quarter of a pixel after old pixel 5
    distances = 0.25 - np.arange(-1, 3)
    expected = bicubic.cubic(distances) @ line[at - 1 : at + 3]
    assert larger[2 * at + 1] == pytest.approx(expected)


@settings(max_examples=30, deadline=None)
@given(SOME)
def test_colours_taken_apart_come_together_again(pixels):
    apart = to_ycbcr(pixels)
    together = np.moveaxis(to_rgb(*np.moveaxis(apart, 2, 0)), 0, 2)
    np.testing.assert_allclose(together, pixels, atol=1e-3)
    np.testing.assert_allclose(luminance(pixels), apart[..., :1])
    grey = pixels[..., :1]
    np.testing.assert_allclose(luminance(grey), luminance(grey.repeat(3, axis=2)))
    np.testing.assert_allclose(from_luminance(luminance(grey)), grey, atol=1e-9)


def test_scores_fall_as_pictures_part_and_mind_the_inside_alone():
    random = np.random.RandomState(0)
    picture = random.randint(0, 256, (40, 30, 3)).astype(np.uint8)
    noise = random.randint(-9, 10, picture.shape)
    scores = []
    for strength in (1, 2, 4):
        worse = np.clip(picture + strength * noise, 0, 255).astype(np.uint8)
        scores.append((psnr(worse, picture, 2), ssim(worse, picture, 2)))
    assert scores == sorted(scores, reverse=True)
    framed = picture.copy()
    framed[:2] = framed[:, -2:] = 0
    assert ssim(framed, picture, 2) == pytest.approx(1) and psnr(framed, picture, 2) > 100
    assert psnr(framed, picture, 0) < 30
