"""Variations of images: off they change nothing, on they depend on the seed and the step alone."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import UsageError
from tests.zoo.data.test_images import batches, images
from zoo.data.augmentation import varying
from zoo.data.augmentation.config import AugmentationConfig
from zoo.data.images import Images, ImagesConfig
from zoo.recipe import Recipe

EVERY = {"flip": True, "flip_vertical": True, "shift": 1, "crop": 0.3}
EVERY |= {"brightness": 0.2, "contrast": 0.3}
SEED = np.array([3, 5])
RANDOM = np.random.RandomState(0)


def drawn(count=6, side=5, channels=3):
    return tf.constant(RANDOM.random_sample((count, side, side, channels)), tf.float32)


@pytest.mark.parametrize(
    ("changes", "digest"),
    [
        ({}, "5b26cc50e6b2292d"),
        ({"flip": True, "shift": 2}, "84a6b603e9c2c4de"),
        ({"flip": True, "shift": 2, "binarize": True}, "31eb2bfcd531512c"),
    ],
)
def test_what_is_off_changes_no_bit(changes, digest):
    """Of batches that were hashed before there were other variations than these two."""
    found = hashlib.sha256()
    for batch in batches(images(**changes), 4, start=2, seed=3):
        found.update(batch.tobytes())
    assert found.hexdigest()[:16] == digest


def test_what_is_off_is_not_written_into_a_recipe():
    kept = {"name", "validation", "binarize", "resize", "flip", "shift", "limit"}
    assert ImagesConfig(name="digits").model_dump().keys() == kept
    assert ImagesConfig(name="digits", crop=0.1, mixup=1.0).model_dump().keys() == {
        *kept, "crop", "mixup",
    }  # fmt: skip


@settings(max_examples=6, deadline=None)
@given(start=st.integers(0, 9), seed=st.integers(0, 2**31))
def test_a_run_that_begins_later_gets_the_same_batches(start, seed):
    source = images(classes=10, mixup=0.4, **EVERY)
    whole = [*source.training_batches(16, seed).take(start + 2).as_numpy_iterator()][start:]
    later = [*source.training_batches(16, seed, start).take(2).as_numpy_iterator()]
    for ours, theirs in zip(later, whole, strict=True):
        assert ours.keys() == theirs.keys() == {"image", "labels", "other_labels", "share"}
        for name, values in ours.items():
            np.testing.assert_array_equal(values, theirs[name])


@pytest.mark.parametrize("key", EVERY)
def test_each_variation_changes_images_anew_and_leaves_them_in_range(key):
    source = images(**{key: EVERY[key]})
    steps = source.steps_per_epoch(50)
    first, again = (batches(source, 1, start=start, size=50)[0] for start in (0, steps))
    plain = batches(images(), 1, size=50)[0]
    assert first.shape == plain.shape and first.min() >= 0 and first.max() <= 1
    assert np.any(first != plain)
    assert {each.tobytes() for each in first} != {each.tobytes() for each in again}


def test_labels_stay_beside_their_images():
    plain = next(iter(images(classes=10).training_batches(50, 0)))
    varied = next(iter(images(classes=10, **EVERY).training_batches(50, 0)))
    np.testing.assert_array_equal(varied["labels"], plain["labels"])


def test_images_are_turned_upside_down_or_not():
    image = drawn(40)
    found = varying.flip(image, SEED, axis=1).numpy()
    turned = np.all(found == image.numpy()[:, ::-1], axis=(1, 2, 3))
    kept = np.all(found == image.numpy(), axis=(1, 2, 3))
    assert (turned ^ kept).all() and 5 < turned.sum() < 35


def test_a_crop_shows_a_part_between_the_old_values():
    ramp = tf.tile(tf.linspace(0.0, 1.0, 9)[None, :, None, None], [50, 1, 9, 1])
    found = varying.crop(ramp, 0.5, SEED).numpy()
    tops, bottoms = found[:, 0, 0, 0], found[:, -1, 0, 0]
    assert found.min() >= 0 and found.max() <= 1 and np.all(np.diff(found, axis=1) > 0)
    spans = bottoms - tops
    assert spans.min() > 0.45 and spans.max() <= 1 and spans.max() - spans.min() > 0.3
    np.testing.assert_allclose(varying.crop(ramp, 0.0, SEED), ramp, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    brightness=st.floats(0, 1), contrast=st.floats(0, 1), saturation=st.floats(0, 1),
    step=st.integers(0, 2**40),
)  # fmt: skip
def test_colours_stay_in_range_and_grey_stays_grey(brightness, contrast, saturation, step):
    config = AugmentationConfig(brightness=brightness, contrast=contrast, saturation=saturation)
    seed = tf.constant([1, step], tf.int64)
    grey = tf.repeat(drawn(channels=1), 3, axis=3)
    for image in (drawn(), grey):
        (found,) = varying.colours([image], config, seed)
        assert found.numpy().min() >= 0 and found.numpy().max() <= 1
    np.testing.assert_allclose(np.ptp(found, axis=3), 0, atol=1e-6)


def test_strength_zero_is_no_change_of_colour():
    image = drawn()
    (found,) = varying.colours([image], AugmentationConfig(), SEED)
    np.testing.assert_allclose(found, image, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(alpha=st.floats(0.01, 10), step=st.integers(0, 2**40), count=st.integers(1, 20))
def test_a_mixture_is_of_two_images_and_mostly_the_first(alpha, step, count):
    mixed = varying.mixture(tf.constant(count), alpha, tf.constant([0, step], tf.int64))
    shares, others = mixed.shares.numpy(), mixed.others.numpy()
    assert np.all((shares >= 0.5) & (shares <= 1)) and sorted(others) == [*range(count)]
    image = drawn(count).numpy()
    share = shares[:, None, None, None]
    expected = share * image + (1 - share) * image[others]
    np.testing.assert_allclose(mixed.of(tf.constant(image)), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("dcgan-mnist", {"data.mixup": 0.2}, "GAN would learn to draw images that lie over"),
        ("dcgan-mnist", {"data.adversarial": 0.1}, "leave data.mixup and data.adversarial out"),
        ("vae-mnist", {"data.mixup": 0.2}, "a VAE would learn to draw images that lie over"),
        ("vae-mnist", {"data.brightness": 2.0}, "key 'data.brightness' is 2.0; it should be less"),
        ("vae-mnist", {"data.crop": 1.0}, "key 'data.crop' is 1.0; it should be less than 1"),
        ("vae-mnist", {"data.brightnes": 0.1}, "unknown key 'data.brightnes'.*'brightness'"),
        ("judge-mnist", {"data.mixup": -1.0}, "key 'data.mixup' is -1.0"),
        ("fsrcnn-flowers-x3", {"data.crop": 0.1}, "unknown key 'data.crop'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(name, changes, message):
    with pytest.raises(UsageError, match=message):
        Recipe.load(name, changes)


def test_grey_images_have_no_saturation():
    with pytest.raises(UsageError, match=r"data.saturation is 0.5, and images of one channel have"):
        Images(ImagesConfig(name="digits", resize=True, saturation=0.5), (28, 28, 1))
