"""The image pipeline: the same batches for the same seed, wherever the run begins."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import UsageError
from zoo.data.augmentation.varying import shift
from zoo.data.images import Images, ImagesConfig


def images(classes=0, **changes) -> Images:
    config = {"name": "digits", "resize": True, "validation": 20, "limit": 50} | changes
    return Images(ImagesConfig(**config), (28, 28, 1), classes)


def batches(source: Images, count: int, *, start=0, seed=0, size=16) -> list[np.ndarray]:
    data = source.training_batches(size, seed, start)
    return [tf.nest.flatten(batch)[0] for batch in data.take(count).as_numpy_iterator()]


@pytest.fixture(scope="module")
def digits() -> Images:
    return images(binarize=True, shift=2, flip=True)


def test_an_epoch_holds_every_image_once_in_another_order_each_time():
    source = images()
    steps = source.steps_per_epoch(16)
    assert steps == 4
    first, second = (batches(source, steps, start=start) for start in (0, steps))
    assert [len(batch) for batch in first] == [16, 16, 16, 2]
    rows = [{image.tobytes() for image in np.concatenate(epoch)} for epoch in (first, second)]
    assert rows[0] == rows[1] and len(rows[0]) == 50
    assert any(np.any(a != b) for a, b in zip(first, second, strict=True))


@given(start=st.integers(0, 12), seed=st.integers(0, 2**31))
@settings(max_examples=8, deadline=None)
def test_a_run_that_begins_later_gets_the_same_batches(digits, start, seed):
    whole = batches(digits, start + 3, seed=seed)
    later = batches(digits, 3, start=start, seed=seed)
    for ours, theirs in zip(later, whole[start:], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_seeds_differ(digits):
    assert np.any(batches(digits, 1, seed=1)[0] != batches(digits, 1, seed=2)[0])


def test_binarization_is_drawn_anew_with_the_grey_level_as_probability():
    source = images(limit=2, validation=2, binarize=True)
    grey, _ = Images(source.config.model_copy(update={"binarize": False}), (28, 28, 1)).arrays(
        "test"
    )
    drawn = np.concatenate(batches(images(limit=2, binarize=True), 800, size=2))
    assert set(np.unique(drawn)) == {0.0, 1.0}
    plain = np.concatenate(batches(images(limit=2), 1, size=2))
    np.testing.assert_allclose(drawn.mean(0), plain.mean(0), atol=0.06)
    assert grey.min() >= 0 and grey.max() <= 1


def test_validation_and_training_share_no_image():
    source = images(limit=None)
    training = np.concatenate(batches(source, source.steps_per_epoch(512), size=512))
    validation, labels = source.arrays("validation")
    assert labels is None
    assert len(training) + len(validation) == source.source.splits["train"]
    seen = {image.tobytes() for image in training}
    assert not any(image.tobytes() in seen for image in validation)


def test_a_data_set_without_a_test_split_gives_its_last_tenth(monkeypatch):
    source = images(limit=None)
    monkeypatch.delitem(source.source.splits, "test")
    parts = [source._rows(part) for part in ("train", "validation", "test")]
    total = source.source.splits["train"]
    assert parts == [slice(0, 1274), slice(1274, 1294), slice(1294, total)]
    shown, _ = source.arrays("test")
    assert len(shown) == total // 10 == 143


def test_a_conditional_model_gets_the_labels_of_its_images():
    source = images(classes=10)
    batch = next(source.training_batches(16, seed=0).as_numpy_iterator())
    assert batch["labels"].dtype == np.int32 and batch["labels"].shape == (16,)
    labels_of = {}
    for example in source.builder.as_dataset(split="train").as_numpy_iterator():
        labels_of[example["image"].tobytes()] = example["label"]
    shown, labels = source.arrays("test")
    assert shown.shape[1:] == (28, 28, 1) and set(labels) <= set(range(10))


def test_shifting_moves_images_by_whole_pixels_and_repeats_the_edge():
    image = tf.constant(np.random.RandomState(0).rand(200, 6, 6, 1).astype("float32"))
    moved = shift(image, 2, tf.constant([0, 0], tf.int64)).numpy()
    padded = np.pad(image.numpy(), ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    found = set()
    for row, original in zip(moved, padded, strict=True):
        places = [
            (y, x) for y in range(5) for x in range(5)
            if np.array_equal(row, original[y : y + 6, x : x + 6])
        ]  # fmt: skip
        assert places
        found.update(places)
    assert len(found) == 25


@pytest.mark.parametrize(
    ("shape", "classes", "changes", "message"),
    [
        ((28, 28, 1), 0, {"resize": False}, r"8x8x1 and the model takes 28x28x1; set data\.resize"),
        ((28, 28, 1), 7, {}, "10 classes and the model takes 7; set model.classes=10"),
        ((28, 28, 1), 0, {"validation": 1437}, "lower data.validation"),
        ((28, 28, 1), 0, {"name": "python_topics"}, "holds text; expected images"),
        ((28, 28, 1), 0, {"name": "digitz"}, "digits"),
    ],
)
def test_data_that_do_not_fit_are_refused(shape, classes, changes, message):
    config = {"name": "digits", "resize": True, "validation": 20} | changes
    with pytest.raises(Exception, match=message) as caught:
        Images(ImagesConfig(**config), shape, classes)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, UsageError) or "digits" in message


def test_grey_images_serve_a_colour_model():
    source = Images(ImagesConfig(name="digits", resize=True, limit=4), (32, 32, 3))
    shown, _ = source.arrays("test")
    assert shown.shape == (4, 32, 32, 3)
    np.testing.assert_array_equal(shown[..., 0], shown[..., 2])
