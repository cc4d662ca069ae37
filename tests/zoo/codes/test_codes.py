"""Codes: what a number becomes, what it stands for, and how the networks around it are trained."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

import zoo
from serving.errors import UsageError
from tests.zoo.codes import tiny_codes
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from zoo.codes import Codes, CodesConfig
from zoo.codes.evaluate import psnr, usage
from zoo.codes.quantizers import FiniteScalars, NearestVectors
from zoo.training import devices
from zoo.training.optimizers import SGD

LEVELS = st.lists(st.integers(2, 9), min_size=1, max_size=4).map(tuple)


@settings(max_examples=20, deadline=None)
@given(LEVELS, st.integers(0, 1000))
def test_a_code_stands_for_what_its_numbers_were_rounded_to(levels, seed):
    layer = FiniteScalars(levels)
    x = np.random.RandomState(seed).normal(0, 3, (50, len(levels))).astype(np.float32)
    codes = layer.codes(x).numpy()
    assert codes.min() >= 0 and codes.max() < np.prod(levels)
    rounded, loss = layer(x)
    np.testing.assert_allclose(layer.values(codes), rounded, atol=1e-6)
    assert not np.any(loss)


@settings(max_examples=10, deadline=None)
@given(LEVELS)
def test_every_code_can_be_reached(levels):
    layer = FiniteScalars(levels)
    table = np.asarray(layer.table())
    assert len(np.unique(table, axis=0)) == np.prod(levels)
    assert table.min() >= -1 and table.max() <= 1
    bounded = (table * layer.half + layer.offset) / layer.reach
    x = np.arctanh(bounded) - layer.shift  # what the bound turns into these very numbers
    np.testing.assert_array_equal(layer.codes(x.astype(np.float32)), np.arange(len(table)))


def test_the_gradient_goes_straight_through_rounding():
    layer = FiniteScalars((5, 4))
    x = tf.constant(np.random.RandomState(0).normal(size=(6, 2)), tf.float32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        rounded = tf.reduce_sum(layer(x)[0])
        bounded = tf.reduce_sum(layer._bounded(x) / layer.half)
    np.testing.assert_allclose(tape.gradient(rounded, x), tape.gradient(bounded, x), rtol=1e-5)


def test_the_nearest_vector_is_taken_and_all_are_moved_together():
    layer = NearestVectors(9, 3)
    x = tf.constant(np.random.RandomState(1).normal(size=(7, 3)), tf.float32)
    table = np.asarray(layer.table())
    nearest = np.square(x.numpy()[:, None] - table).sum(-1).argmin(-1)
    np.testing.assert_array_equal(layer.codes(x), nearest)
    with tf.GradientTape() as tape:
        tape.watch(x)
        values, loss = layer(x)
        total = tf.reduce_sum(values) + tf.reduce_sum(loss)
    np.testing.assert_allclose(values, table[nearest], atol=1e-6)
    (variable,) = layer.trainable_variables  # the vectors themselves stay where they are
    of_x, of_map = tape.gradient(total, [x, variable])
    np.testing.assert_allclose(of_x, 1 + 0.5 * (x - table[nearest]), atol=1e-5)
    assert np.abs(of_map).max() > 0


@pytest.mark.parametrize(
    "changes",
    [{}, {"image_shape": (12, 8, 3), "channels": (8,)}, {"quantizer": "vq", "vectors": 20}],
)
def test_images_are_told_by_codes_of_a_grid_and_made_of_them_again(changes):
    model = tiny_codes.model(**changes)
    config, images = model.config, tiny_codes.images(3, model.config.image_shape)
    codes = model.encode(images).numpy()
    assert codes.shape == (3, config.positions) and codes.dtype == np.int32
    assert codes.min() >= 0 and codes.max() < config.vocabulary and len(np.unique(codes)) > 1
    made, _ = model(images)
    np.testing.assert_allclose(model.decode(codes), made, atol=1e-5)
    levels = np.rint(images * 255).astype(np.uint8)
    assert model.reconstruct(levels).shape == images.shape
    np.testing.assert_array_equal(
        model.encode_all(levels / np.float32(255)), model.encode_all(levels)
    )


def test_the_mean_is_taken_off_before_images_are_told_and_put_back_after():
    shape, mean = (8, 8, 3), (0.9, 0.5, 0.1)
    plain, about = (tiny_codes.model(image_shape=shape, mean=each) for each in (None, mean))
    images = tiny_codes.images(3, shape)
    codes = plain.encode(images - np.float32(mean))
    np.testing.assert_array_equal(about.encode(images), codes)
    np.testing.assert_allclose(about.decode(codes), plain.decode(codes) + mean, atol=1e-6)
    np.testing.assert_allclose(about(images)[0], about.decode(codes), atol=1e-5)


def test_a_recipe_is_given_the_mean_of_its_images():
    recipe = tiny_codes.recipe().completed()
    levels, _ = recipe.task().images.levels("train")
    assert recipe.model.mean == pytest.approx([levels.mean() / 255], abs=6e-4)
    assert recipe.completed() == recipe


@pytest.mark.long
def test_images_that_are_mostly_of_one_colour_do_not_end_as_one_code():
    random = np.random.RandomState(0)
    images = np.full((64, 8, 8, 1), 0.95, np.float32)
    for image in images:
        top, left = random.randint(6, size=2)
        image[top : top + 3, left : left + 3] = random.random_sample()
    used = []
    for mean in (None, (images.mean().item(),)):
        keras.utils.set_random_seed(2)
        model = Codes(
            CodesConfig(image_shape=(8, 8, 1), channels=(16, 16), levels=(8, 8), mean=mean)
        )
        model.compile(keras.optimizers.Adam(1e-3))
        model.fit(images, epochs=20, batch_size=16, verbose=0)
        used.append(len(np.unique(model.encode(images))))
    assert used[1] > 2 * used[0]


@pytest.mark.parametrize("quantizer", ["fsq", pytest.param("vq", marks=pytest.mark.long)])
def test_steps_on_two_devices_equal_those_on_one(quantizer):
    data = tf.data.Dataset.from_tensor_slices(tiny_codes.images(7)).batch(5)
    after = []
    for where in ("cpu", "cpu:2"):
        with devices.strategy(where).scope():
            model = tiny_codes.model(quantizer=quantizer, vectors=20)
            model.compile(SGD(0.01))
        model.fit(data, verbose=0, shuffle=False)
        after.append([variable.numpy() for variable in model.trainable_variables])
    for ours, theirs in zip(*after, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.long
def test_a_run_that_stops_goes_on_as_if_it_had_not(tmp_path, monkeypatch):
    recipe = tiny_codes.recipe(train__epochs=2)
    zoo.train(recipe, tmp_path / "whole")
    stop_and_resume(recipe, tmp_path / "parted", monkeypatch, step=4)
    assert_same_run(tmp_path / "whole", tmp_path / "parted")


def test_what_codes_are_worth_is_counted():
    found = {each.name: each for each in usage(np.array([[0, 1], [1, 0], [0, 1]]), 4)}
    assert found["code_usage"].value == 0.5
    assert found["code_perplexity"].value == pytest.approx(2)
    assert found["bits"].value == 4 and found["bits"].entropy_bits == pytest.approx(2)
    same = np.full((2, 3, 3, 1), 51, np.uint8)
    assert psnr(same, np.full(same.shape, 0.2, np.float32)) > 50


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image_shape": (8, 8, 2)}, "has 2 channels; expected 1"),
        ({"image_shape": (10, 8, 1)}, "images of 10x8 cannot be halved 2 times"),
        ({"levels": (64, 64, 64)}, "there would be 262144 codes"),
        ({"levels": ()}, "at least 1 item"),
        ({"mean": (0.1, 0.2)}, "mean has 2 numbers; expected one for each of 1 channels"),
    ],
)
def test_a_configuration_that_does_not_hold_together_is_refused(changes, said):
    with pytest.raises(ValidationError, match=said):
        CodesConfig(**({"image_shape": (8, 8, 1)} | changes))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data__binarize": True}, "codes tell grey levels"),
        ({"data__mixup": 0.2}, "leave data.mixup and data.adversarial out"),
    ],
)
def test_a_recipe_that_does_not_hold_together_is_refused(changes, said):
    with pytest.raises(UsageError, match=said):
        tiny_codes.recipe(**changes)


@pytest.mark.parametrize("quantizer", ["fsq", "vq"])
def test_codes_in_half_precision_are_almost_those_in_whole(quantizer):
    whole = tiny_codes.model(quantizer=quantizer)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        halved = tiny_codes.model(quantizer=quantizer)
    finally:
        keras.config.set_dtype_policy("float32")
    images = tiny_codes.images(64)
    assert np.mean(halved.encode_all(images) == whole.encode_all(images)) > 0.9
    shown, loss = halved(images)
    assert shown.dtype == "float32" == loss.dtype
    assert np.isfinite(halved.compute_loss(images, y_pred=(shown, loss)))
