"""Pictures that look the same are found, and only those."""

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance

from tests.zoo.inspection.faulty import pattern
from zoo.inspection import alike
from zoo.inspection.layout import Item
from zoo.inspection.looks import look_at_pixels

GREY = np.full((1, 8, 8, 2), 128, np.uint8)


def found(*images):
    looks = [
        look_at_pixels(Item(str(index)), np.asarray(each)) for index, each in enumerate(images)
    ]
    small, tints = (np.array([getattr(look, name) for look in looks]) for name in ("small", "tint"))
    return alike.groups(small, tints)


def jpeg(image, quality):
    file = io.BytesIO()
    image.save(file, "jpeg", quality=quality)
    return Image.open(file)


def test_copies_of_another_size_and_quality_are_found():
    """Nearly all: a picture whose shape changes a lot looks another in the end."""
    chance, right = np.random.default_rng(0), 0
    for seed in range(0, 200, 2):
        image = pattern(seed, (64, 64))
        size = tuple(chance.integers(48, 200, 2).tolist())
        other = jpeg(image.resize(size, Image.Resampling.LANCZOS), int(chance.integers(75, 96)))
        right += found(image, pattern(seed + 1, (64, 64)), other) == [[0, 2]]
    assert right >= 97


def test_brightness_may_differ_and_colour_and_direction_may_not():
    image = pattern(0, (64, 64))
    darker = ImageEnhance.Brightness(image).enhance(0.93)
    assert found(image, darker) == [[0, 1]]
    red, green, blue = image.split()
    assert found(image, Image.merge("RGB", (blue, green, red))) == []
    assert found(image, image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) == []


def test_every_copy_of_a_group_is_like_the_first():
    noise = np.random.default_rng(0).integers(0, 256, (300, 32, 32), np.uint8)
    small = np.concatenate([noise, noise[:200], noise[:100]])
    tints = np.repeat(GREY, len(small), axis=0)
    expected = [[index, index + 300] + [index + 500] * (index < 100) for index in range(200)]
    assert alike.groups(small, tints) == expected


def test_thousands_of_copies_are_one_group():
    copies = np.repeat(np.random.default_rng(0).integers(0, 256, (1, 32, 32), np.uint8), 5000, 0)
    (group,) = alike.groups(copies, np.repeat(GREY, 5000, axis=0))
    assert group == list(range(5000))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**20), spread=st.floats(0, 40))
def test_bands_find_the_pairs_that_comparing_all_finds(seed, spread):
    generator = np.random.default_rng(seed)
    base = generator.integers(40, 216, (12, 32, 32))
    noisy = base.repeat(4, axis=0) + generator.normal(0, spread, (48, 32, 32))
    small = np.clip(noisy, 0, 255).astype(np.uint8)
    codes = alike.hashes(small)
    centred = small.reshape(48, -1) - small.reshape(48, -1).mean(axis=1, keepdims=True)
    correlations = np.corrcoef(centred)
    expected = {
        (first, second)
        for first in range(48)
        for second in range(first + 1, 48)
        if np.bitwise_count(codes[first] ^ codes[second]) <= alike.MOST_BITS
        and correlations[first, second] >= alike.LEAST_CORRELATION
    }
    # The first that is left takes all that are like it, and those are then gone.
    groups, taken = [], set()
    for first in range(48):
        others = [each for each in range(48) if (first, each) in expected and each not in taken]
        if first not in taken and others:
            taken.update(others)
            groups.append([first, *others])
    assert alike.groups(small, np.repeat(GREY, 48, axis=0)) == groups
