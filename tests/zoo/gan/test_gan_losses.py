"""Losses against values worked out by hand, penalties and augmentation against differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.zoo.gan import tiny_gan
from zoo.gan import losses
from zoo.gan.augmentation import POLICIES, UNIFORMS, augment

REAL, FAKE = np.float32([2.0, -0.5]), np.float32([-1.0, 0.25])


def nats(probability):
    return -np.log(probability)


def sigmoid(logit):
    return 1 / (1 + np.exp(-logit))


@pytest.mark.parametrize(
    ("name", "smoothing", "discriminator", "generator"),
    [
        (
            "non_saturating",
            0.0,
            nats(sigmoid(REAL)) + nats(1 - sigmoid(FAKE)),
            nats(sigmoid(FAKE)),
        ),
        (
            "non_saturating",
            0.1,
            0.9 * nats(sigmoid(REAL)) + 0.1 * nats(1 - sigmoid(REAL)) + nats(1 - sigmoid(FAKE)),
            nats(sigmoid(FAKE)),
        ),
        ("hinge", 0.0, [0 + 0, 1.5 + 1.25], [1.0, -0.25]),
        ("least_squares", 0.0, [0.5 + 0.5, 1.125 + 0.03125], [2.0, 0.28125]),
        ("least_squares", 0.1, [0.605 + 0.5, 0.98 + 0.03125], [2.0, 0.28125]),
        ("wasserstein", 0.0, [-3.0, 0.75], [1.0, -0.25]),
    ],
)
def test_losses_are_those_of_their_papers(name, smoothing, discriminator, generator):
    ours = losses.discriminator_loss(REAL, FAKE, name, smoothing)
    np.testing.assert_allclose(ours, discriminator, rtol=1e-5)
    np.testing.assert_allclose(losses.generator_loss(FAKE, name), generator, rtol=1e-5)


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4))
@settings(deadline=None, max_examples=20)
def test_the_non_saturating_loss_never_overflows(real, fake):
    value = losses.discriminator_loss(np.float32([real]), np.float32([fake]), "non_saturating")
    assert float(value[0]) == pytest.approx(
        np.logaddexp(0, -real) + np.logaddexp(0, fake), rel=1e-5, abs=1e-6
    )


def test_classification_is_cross_entropy():
    logits, one_hot = np.float32([[1, 2, 3], [0, 0, 0]]), np.float32([[0, 0, 1], [1, 0, 0]])
    expected = [np.log(np.exp([1, 2, 3]).sum()) - 3, np.log(3)]
    np.testing.assert_allclose(losses.classification_loss(logits, one_hot), expected, rtol=1e-5)


def test_a_penalty_of_no_slope_is_finite_and_so_is_its_gradient():
    slopes = tf.Variable(tf.zeros((2, 3)))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(losses.gradient_penalty(slopes))
    assert float(value) == pytest.approx(2, rel=1e-4)
    assert np.all(np.isfinite(tape.gradient(value, slopes)))


@pytest.mark.parametrize("architecture", ["dcgan", "residual"])
def test_slopes_and_the_gradients_of_both_penalties_are_right(architecture, monkeypatch):
    # Rectifiers would change sides within a step, and slopes jump there.
    monkeypatch.setattr(keras.ops, "relu", keras.ops.softplus)
    monkeypatch.setattr(keras.ops, "leaky_relu", lambda x, slope: keras.ops.softplus(x))
    config = tiny_gan.config(architecture, "projection")
    model = tiny_gan.model(config)
    data = tiny_gan.batch(config, 2)
    image = tf.constant(2 * data["image"] - 1)
    condition = np.eye(3, dtype="float32")[data["labels"]]

    def logits(value):
        return model.discriminator(value, condition)["logits"].numpy()

    random = np.random.RandomState(0)
    step = 1e-2 * random.normal(size=image.shape).astype("float32")
    slopes = model._slopes(image, condition).numpy()
    expected = np.sum(2 * slopes * step, axis=(1, 2, 3))
    np.testing.assert_allclose(logits(image + step) - logits(image - step), expected, rtol=0.03)

    kernels = [v for v in model.discriminator.trainable_variables if v.path.endswith("/kernel")]
    for penalty in (losses.gradient_penalty, losses.r1_penalty):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(penalty(model._slopes(image, condition)))
        gradients = tape.gradient(value, [kernel.value for kernel in kernels])
        steps = [1e-4 * np.sign(gradient) for gradient in gradients]

        def moved(sign, steps=steps, penalty=penalty):
            for kernel, step in zip(kernels, steps, strict=True):
                kernel.assign_add(sign * step)
            total = float(tf.reduce_sum(penalty(model._slopes(image, condition))))
            for kernel, step in zip(kernels, steps, strict=True):
                kernel.assign_add(-sign * step)
            return total

        expected = sum(np.sum(g * s) for g, s in zip(gradients, steps, strict=True))
        assert moved(1) - moved(-1) == pytest.approx(2 * expected, rel=0.03)


# --- augmentation ---


def drawn(count, seed=0):
    return np.random.RandomState(seed).random_sample((count, UNIFORMS)).astype("float32")


def colours(count, seed=0):
    return np.random.RandomState(seed).uniform(-1, 1, (count, 16, 8, 3)).astype("float32")


def test_translation_moves_by_up_to_an_eighth_and_lets_nothing_in():
    image = colours(40)
    moved = np.asarray(augment(image, drawn(40), ["translation"]))
    seen = set()
    for before, after, (down, right) in zip(image, moved, drawn(40)[:, 3:5], strict=True):
        rows, columns = int(down * 5) - 2, int(right * 3) - 1
        seen.add((rows, columns))
        padded = np.pad(before, ((2, 2), (1, 1), (0, 0)))
        expected = padded[2 + rows : 18 + rows, 1 + columns : 9 + columns]
        np.testing.assert_allclose(after, expected, atol=1e-6)
    assert len(seen) > 8


def test_cutout_takes_half_of_the_height_and_width_at_most():
    image = np.ones((60, 16, 8, 3), "float32")
    kept = np.asarray(augment(image, drawn(60), ["cutout"]))[..., 0]
    rows = 16 - (kept.max(axis=2) == kept.min(axis=2)).sum(axis=1)  # rows that are cut
    columns = 8 - (kept.max(axis=1) == kept.min(axis=1)).sum(axis=1)
    assert set(np.unique(kept)) == {0, 1}
    assert 4 <= rows.min() < rows.max() == 8
    assert 2 <= columns.min() < columns.max() == 4
    assert np.all((kept == 0).sum(axis=(1, 2)) == rows * columns)  # a rectangle


def test_colour_policies_keep_what_they_should():
    image, uniforms = colours(5), drawn(5)
    brighter = np.asarray(augment(image, uniforms, ["brightness"]))
    np.testing.assert_allclose(
        (brighter - image).reshape(5, -1), np.repeat(uniforms[:, :1] - 0.5, 384, 1), atol=1e-6
    )
    saturated = np.asarray(augment(image, uniforms, ["saturation"]))
    np.testing.assert_allclose(saturated.mean(-1), image.mean(-1), atol=1e-6)
    contrasted = np.asarray(augment(image, uniforms, ["contrast"]))
    np.testing.assert_allclose(contrasted.mean((1, 2, 3)), image.mean((1, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(
        contrasted.std((1, 2, 3)) / image.std((1, 2, 3)), uniforms[:, 2] + 0.5, rtol=1e-4
    )


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_is_differentiable_and_its_noise_belongs_to_the_example(name):
    image, uniforms = tf.constant(colours(3)), drawn(3)
    with tf.GradientTape() as tape:
        tape.watch(image)
        total = tf.reduce_sum(tf.square(augment(image, uniforms, [name])))
    assert np.any(tape.gradient(total, image))
    whole = np.asarray(augment(image, uniforms, [name]))
    np.testing.assert_allclose(
        whole[1:2], augment(image[1:2], uniforms[1:2], [name]), rtol=1e-5, atol=1e-6
    )
    assert np.any(whole != image.numpy())


def test_an_affine_view_in_the_middle_of_its_range_is_the_image_itself():
    image = colours(2)
    same = augment(image, np.full((2, UNIFORMS), 0.5, "float32"), ["affine", "strokes"])
    np.testing.assert_allclose(same, image, atol=1e-5)


def test_an_affine_view_turns_about_the_middle_and_lets_black_in():
    white = np.ones((1, 9, 9, 1), "float32")
    uniforms = np.full((1, UNIFORMS), 0.5, "float32")
    uniforms[0, 7] = 1.0  # 20 degrees
    turned = np.asarray(augment(white, uniforms, ["affine"]))[0, ..., 0]
    np.testing.assert_allclose(turned[2:7, 2:7], 1, atol=1e-5)
    np.testing.assert_allclose(turned, np.rot90(turned), atol=1e-5)
    assert turned[0, 0] < 0.5 and turned.min() >= -1 - 1e-6


@pytest.mark.parametrize("random", [1.0, 0.0])
def test_strokes_become_as_bold_or_thin_as_what_is_around_them(random):
    image = -np.ones((1, 5, 5, 1), "float32")
    image[0, 2, 2] = 1
    uniforms = np.full((1, UNIFORMS), random, "float32")
    varied = np.asarray(augment(image, uniforms, ["strokes"]))[0, ..., 0]
    ring = [varied[1, 1], varied[2, 3], varied[3, 2]]
    np.testing.assert_allclose(ring, -1 + 0.9 * 2 if random else -1, atol=1e-6)
    np.testing.assert_allclose(varied[2, 2], 1 if random else 1 - 0.9 * 2, atol=1e-6)
    np.testing.assert_allclose(varied[0], -1, atol=1e-6)


def test_without_a_policy_an_image_stays_as_it_is():
    image = keras.ops.convert_to_tensor(colours(2))
    np.testing.assert_array_equal(augment(image, drawn(2), ()), image)
