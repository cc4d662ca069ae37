"""Moving digits: the same for the same seed, on the paths of the protocol, of their own digits."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import UsageError
from zoo.data import sources
from zoo.data.images import Images, ImagesConfig
from zoo.data.made_up.digits import check_digits, read_digits
from zoo.data.moving.config import FRAMES, GIVEN, MovingConfig
from zoo.data.moving.moving import PARTS, MovingDigits
from zoo.data.moving.paths import STEP, paths, pixels, straight_on


@cache
def made(seed=0):
    return MovingDigits(MovingConfig(name="moving-digits", seed=seed))


def bounced(x, y, theta, frames):
    """One path as the authors' generator walks it, a number at a time."""
    vx, vy, found = np.cos(theta), np.sin(theta), []
    for _ in range(frames):
        y += vy * STEP
        x += vx * STEP
        if x <= 0:
            x, vx = 0, -vx
        if x >= 1:
            x, vx = 1, -vx
        if y <= 0:
            y, vy = 0, -vy
        if y >= 1:
            y, vy = 1, -vy
        found.append((y, x))
    return np.array(found)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_digits_go_the_paths_of_the_protocol(seed):
    random = np.random.RandomState(seed).random_sample((8, 3))
    found = paths(random, 40)
    for index, (y, x, angle) in enumerate(random):
        expected = bounced(x, y, 2 * np.pi * angle, 40)
        np.testing.assert_allclose(found.place[index], expected, atol=1e-12)
    assert found.place.min() >= 0 and found.place.max() <= 1
    assert pixels(found.place, 36).max() <= 36
    np.testing.assert_allclose(np.linalg.norm(found.velocity, axis=2), STEP)


def test_straight_on_is_the_path_until_an_edge_and_leaves_the_frame_there():
    random = np.array([[0.2, 0.3, 0.0], [0.5, 0.5, 0.25]])
    found = paths(random, FRAMES)
    ahead = straight_on(found, 5, 10)
    np.testing.assert_allclose(ahead[0, :2], found.place[0, 5:7])
    assert ahead[0, :, 1].max() > 1 and ahead.shape == (2, 10, 2)


@settings(deadline=None, max_examples=15)
@given(st.sampled_from(PARTS), st.integers(0, 50), st.integers(1, 6))
def test_a_sequence_depends_on_seed_part_and_index_alone(part, start, count):
    whole, some = made().read(part, 0, start + count), made().read(part, start, start + count)
    for all_of_it, found in zip(whole, some, strict=True):
        np.testing.assert_array_equal(all_of_it[start:], found)
    one = made().images(part, start, start + count)
    shown = np.arange(start, start + count) % FRAMES
    np.testing.assert_array_equal(one, some.frames[np.arange(count), shown])


def test_seeds_and_parts_differ():
    frames = [made(seed).read(part, 0, 3).frames for seed in (0, 1) for part in PARTS]
    assert len({each.tobytes() for each in frames}) == len(frames)


@pytest.mark.parametrize("part", PARTS)
def test_frames_show_digits_of_their_part_where_they_are_said_to_be(part):
    split = "test" if part == "test" else "train"
    images, labels = read_digits(sources.prepare("digits"), split)
    known = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    found, alone = made().read(part, 0, 40), 0
    for frames, corners, own in zip(*found, strict=True):
        for frame, both in zip(frames, corners, strict=True):
            inside = np.zeros(frame.shape[:2], bool)
            for (top, left), other, label in zip(both, both[::-1], own, strict=True):
                inside[top : top + 8, left : left + 8] = True
                if np.abs(other - (top, left)).max() >= 8:
                    cut = frame[top : top + 8, left : left + 8, 0]
                    assert known[cut.tobytes()] == label
                    alone += 1
            assert not frame[~inside].any()
    assert alone > 9


def test_no_digit_is_validated_on_that_is_trained_on():
    pools = [made()._pool(part)[0] for part in PARTS]
    total = sum(sources.describe(sources.prepare("digits")).splits.values())
    assert sum(map(len, pools)) == total


def test_where_digits_lie_over_each_other_the_brighter_pixel_is_seen():
    first, second = np.full((8, 8), 9, np.uint8), np.full((8, 8), 5, np.uint8)
    corners = np.array([[[2, 2]], [[4, 4]]])
    frame = made()._painted(corners, np.stack([second, first]))[0, 0, :, :, 0]
    assert frame[5, 5] == 9 and frame[2, 2] == 5 and frame[0, 0] == 0


def test_the_first_frames_without_an_edge_are_those_that_came():
    real, ahead = made().read("test", 0, 200), made().straight_on("test", 0, 200)
    same = (ahead == real.frames[:, GIVEN:]).all(axis=(2, 3, 4)).mean(axis=0)
    assert same[0] > 0.9 and same[-1] < 0.1 and (np.diff(same) <= 0).all()


def test_they_are_images_to_whoever_learns_from_images():
    images = Images(ImagesConfig(name="moving-digits", validation=40, limit=60), (16, 16, 1))
    train, labels = images.arrays("train")
    assert train.shape == (60, 16, 16, 1) and labels is None
    np.testing.assert_array_equal(images.levels("test")[0], made().images("test", 0, 60))
    with pytest.raises(UsageError, match="have no captions"):
        images.captions("test")


def test_what_there_is_not_is_refused():
    with pytest.raises(UsageError, match="has no part 'all'; expected one of train"):
        made().read("all", 0, 1)
    source = sources.describe(sources.prepare("python_topics"))
    with pytest.raises(UsageError, match="cannot give the digits of moving-mnist"):
        check_digits(source, "python_topics", "moving-mnist")
    with pytest.raises(UsageError, match="data: key"):
        MovingConfig.parse({"name": "moving-cats"}, "data")
