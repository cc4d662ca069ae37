"""The networks that enlarge: what they look at, how many weights they have, where they begin."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.photographs import bicubic
from tests.zoo.restoration import tiny_restoration
from zoo.restoration import RestorationConfig, Restorer
from zoo.restoration.model import NETWORKS, network_of
from zoo.restoration.networks.bicubic import Bicubic
from zoo.restoration.networks.fsrcnn import TAPS, PhasedDeconvolution
from zoo.training import devices
from zoo.training.optimizers import SGD

SCALES = (2, 3, 4)


def images(*shape, seed=0):
    return np.random.RandomState(seed).random_sample(shape).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.sampled_from(SCALES), st.sampled_from([1, 3]))
def test_bicubic_as_a_convolution_is_that_of_numpy(height, width, scale, channels):
    image = images(1, height, width, channels)
    phases = Bicubic(scale, channels)(image)
    found = keras.ops.depth_to_space(phases, scale)
    np.testing.assert_allclose(found[0], bicubic.enlarge(image[0], scale), atol=2e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_a_deconvolution_in_phases_is_the_transposed_convolution(scale):
    features = images(2, 6, 5, 3)
    layer = PhasedDeconvolution(scale, 2)
    layer.build(features.shape)
    layer.kernel.assign(images(TAPS, TAPS, 2, 3, seed=1))
    found = keras.ops.depth_to_space(layer(features), scale)
    whole = keras.ops.conv_transpose(features, layer.kernel, scale, padding="valid")
    first = TAPS // 2 - (scale - 1) // 2
    expected = whole[:, first:, first:][:, : 6 * scale, : 5 * scale]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_fsrcnn_has_the_weights_of_its_paper():
    for scale in SCALES:
        model = Restorer(RestorationConfig(scale=scale))
        kernels = [each for each in model.trainable_variables if len(each.shape) == 4]
        kernels = [each for each in kernels if each.shape[:3] != (1, 1, 1)]
        slopes = sum(each.shape[-1] for each in model.trainable_variables if "alpha" in each.path)
        assert sum(np.prod(each.shape) for each in kernels) == 12_464
        assert model.num_parameters == 12_464 + slopes + 173  # and biases


@pytest.mark.parametrize("architecture", NETWORKS)
@pytest.mark.parametrize(("scale", "colour"), [(2, "luminance"), (3, "rgb"), (4, "luminance")])
def test_a_pixel_depends_on_what_is_in_reach_and_on_nothing_beyond(architecture, scale, colour):
    model = tiny_restoration.model(architecture=architecture, scale=scale, colour=colour)
    reach, side = model.reach, 2 * model.reach + 5
    image = images(1, side, side, model.config.channels)
    middle = side // 2
    before = np.asarray(model(image))
    assert before.shape == (1, side * scale, side * scale, model.config.channels)
    changed = image.copy()
    changed[0, middle, middle] += 0.5
    moved = np.abs(np.asarray(model(changed)) - before)[0].max(axis=-1) > 1e-6
    rows = np.flatnonzero(moved.any(axis=1)) // scale
    assert rows.min() >= middle - reach and rows.max() <= middle + reach
    assert moved.any()


@pytest.mark.parametrize("architecture", NETWORKS)
def test_a_model_that_has_learned_nothing_is_nearly_bicubic(architecture):
    model = Restorer(RestorationConfig(scale=3, architecture=architecture))
    image = images(1, 9, 8, 1)
    expected = bicubic.enlarge(image[0], 3)
    assert np.abs(network_of(model)(image)[0] - expected).max() < 0.1


def test_half_precision_leaves_the_bicubic_enlargement_exact():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = Restorer(RestorationConfig(scale=2, width=4, narrow=2, depth=1))
    finally:
        keras.config.set_dtype_policy("float32")
    for variable in model.network.larger.trainable_variables:
        variable.assign(keras.ops.zeros_like(variable))
    image = images(1, 6, 6, 1)
    found = model(image)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found[0], bicubic.enlarge(image[0], 2), atol=2e-6)


# --- on many devices ---


def after_one_step(where: str, architecture: str) -> list[np.ndarray]:
    with devices.strategy(where).scope():
        model = tiny_restoration.model(architecture=architecture)
        before = [variable.numpy() for variable in model.trainable_variables]
        model.compile(SGD(0.05))
        model.optimizer.build(model.trainable_variables)
    data = tf.data.Dataset.from_tensor_slices((images(5, 6, 6, 1), images(5, 12, 12, 1, seed=1)))
    loss = model.fit(data.batch(5), verbose=0, shuffle=False).history["loss"]
    after = [variable.numpy() for variable in model.trainable_variables]
    assert all(np.any(a != b) for a, b in zip(after, before, strict=True)), "a weight did not move"
    return [*after, *loss]


@pytest.mark.parametrize("architecture", NETWORKS)
def test_one_step_on_two_devices_equals_one_on_one_device(architecture):
    one, other = (after_one_step(where, architecture) for where in ("cpu", "cpu:2"))
    for ours, theirs in zip(other, one, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
