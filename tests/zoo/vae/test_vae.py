"""Properties that every VAE has, and the mathematics of its likelihoods and objectives."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from serving import noise
from serving.errors import UsageError
from tests.zoo.vae import tiny
from zoo.vae import likelihoods, objectives

every_model = pytest.mark.parametrize("kind", tiny.MODELS)


def inputs(model, count=3):
    batch = tiny.batch(model.config, count)
    return (batch["image"], batch["labels"]) if isinstance(batch, dict) else (batch, None)


@every_model
def test_shapes_and_ranges(kind):
    model = tiny.model(kind)
    config = model.config
    image, labels = inputs(model)
    mean, log_variance = model.encode(image, labels)
    assert mean.shape == log_variance.shape == (3, config.latent_dim)
    decoded = np.asarray(model.decode(mean, labels))
    assert decoded.shape == image.shape
    assert decoded.min() >= 0 and decoded.max() <= 1
    parameters = model.decode_parameters(mean, labels)
    per_value = 2 if config.likelihood == "discretized_logistic" else 1
    assert parameters.shape == (*image.shape[:3], image.shape[3] * per_value)


@every_model
def test_inference_is_deterministic_and_training_samples(kind):
    model = tiny.model(kind)
    batch = tiny.batch(model.config, 3)
    first, second = (np.asarray(model(batch)["parameters"]) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    first, second = (np.asarray(model(batch, training=True)["z"]) for _ in range(2))
    assert first.shape == (3, model.config.samples, model.config.latent_dim)
    assert np.all(first != second)


@every_model
def test_validation_repeats_its_noise_and_equals_the_loss(kind):
    model = tiny.model(kind)
    batch = tiny.batch(model.config, 3)
    first, second = (float(model.validation_loss(batch)) for _ in range(2))
    assert first == second and np.isfinite(first)


@every_model
def test_images_for_people(kind):
    model = tiny.model(kind)
    image, labels = inputs(model)
    shape = model.config.image_shape
    some = model.generate(3, labels=labels, seed=7)
    assert some.dtype == np.uint8 and some.shape == (3, *shape)
    np.testing.assert_array_equal(some, model.generate(3, labels=labels, seed=7))
    assert np.any(some != model.generate(3, labels=labels, seed=8))
    assert model.reconstruct(image, labels).shape == image.shape
    path = model.interpolate(image, image[::-1], steps=4, labels=labels)
    assert path.shape == (3, 4, *shape)
    np.testing.assert_allclose(path[:, 0], model.reconstruct(image, labels), atol=1)
    walk = model.traverse(image, dimension=1, values=[-2, 0, 2], labels=labels)
    assert walk.shape == (3, 3, *shape)
    assert np.any(walk[:, 0] != walk[:, 2])


@every_model
def test_a_model_is_rebuilt_from_its_config_and_weights(kind, tmp_path):
    model = tiny.model(kind)
    model.save_weights(tmp_path / "model.weights.h5")
    rebuilt = zoo.VAE(**model.get_config())
    rebuilt.load_weights(tmp_path / "model.weights.h5")
    batch = tiny.batch(model.config, 2)
    np.testing.assert_array_equal(model(batch)["parameters"], rebuilt(batch)["parameters"])


@every_model
def test_every_weight_learns(kind):
    import tensorflow as tf

    model = tiny.model(kind)
    batch = tiny.batch(model.config, 4)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x=batch, y_pred=model(batch, training=True))
    for variable, gradient in zip(
        model.trainable_variables, tape.gradient(loss, model.trainable_variables), strict=True
    ):
        assert gradient is not None and np.any(gradient), variable.path


def test_labels_change_what_a_conditional_model_draws():
    model = tiny.model("conditional")
    zero, one = (model.generate(4, labels=[label] * 4, seed=1) for label in (0, 1))
    assert np.any(zero != one)


@pytest.mark.parametrize(("kind", "labels"), [("dense", [1, 2]), ("conditional", None)])
def test_labels_are_for_conditional_models(kind, labels):
    with pytest.raises(UsageError, match="labels"):
        tiny.model(kind).generate(2, labels=labels)


@pytest.mark.parametrize("labels", [[0, 4], [0, -1], [1], [[0, 1]]])
def test_labels_are_of_the_model_and_one_for_each_image(labels):
    with pytest.raises(UsageError, match="expected 2 whole numbers from 0 to 3"):
        tiny.model("conditional").generate(2, labels=labels)


@pytest.mark.parametrize("count", [0, -3])
def test_a_count_is_at_least_one(count):
    with pytest.raises(UsageError, match="at least 1"):
        tiny.model("dense").generate(count)


def test_noise_outside_its_seeds_is_refused():
    with pytest.raises(UsageError, match="seed"):
        tiny.model("dense").generate(2, seed=-1)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"latent_dims": 3}, "unknown key 'latent_dims'; did you mean 'latent_dim'"),
        ({"latent_dim": "3"}, "key 'latent_dim' is '3'; it should be a valid integer"),
        ({"latent_dim": 0}, "greater than 0"),
        ({"image_shape": [28, 28, 2]}, "2 channels"),
        ({"architecture": "convolutional", "image_shape": [30, 30, 1]}, "cannot be halved 2 times"),
        ({"objective": "iwae", "beta": 2.0}, "takes no beta"),
        ({"likelihood": "gaussian"}, "'bernoulli' or 'discretized_logistic'"),
        ({"beta": float("nan")}, "beta"),
    ],
)
def test_a_bad_configuration_is_named(values, message):
    with pytest.raises(UsageError, match=message) as caught:
        zoo.VAEConfig.parse(values, "model")
    assert "\n" not in str(caught.value)


def test_a_discretized_logistic_sums_to_one():
    levels = np.arange(256, dtype="float32").reshape(256, 1) / 255
    for mean in (-1.3, -0.2, 0.0, 0.97):
        for log_scale in (-9.0, -4.0, 0.0, 2.0):
            parameters = np.tile(np.float32([mean, log_scale]), (256, 1))
            log_probs = np.asarray(likelihoods.discretized_logistic(levels, parameters))
            assert np.all(np.isfinite(log_probs))
            assert np.exp(log_probs.astype("float64")).sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("log_scale", range(-10, 31, 4))
def test_a_discretized_logistic_is_finite_at_any_scale_and_so_is_its_gradient(log_scale):
    """Where it is wide against its bins, a bin has its width times the density."""
    import tensorflow as tf

    levels = np.arange(0, 256, 15, dtype="float32").reshape(-1, 1) / 255
    parameters = tf.constant(np.tile(np.float32([0.1, log_scale]), (len(levels), 1)))
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_probs = likelihoods.discretized_logistic(levels, parameters)
    slopes = tape.gradient(log_probs, parameters).numpy()
    assert np.all(np.isfinite(log_probs)) and np.all(np.isfinite(slopes))
    if log_scale > 0:
        centred = (2 * levels[1:-1, 0].astype("float64") - 1.1) * np.exp(-log_scale)
        density = -centred - 2 * np.log1p(np.exp(-centred)) - log_scale
        np.testing.assert_allclose(log_probs[1:-1, 0], density + np.log(2 / 255), rtol=1e-5)
        # of the log scale: -1, and what the centre adds as the density flattens
        expected = -1 + centred * np.tanh(centred / 2)
        np.testing.assert_allclose(slopes[1:-1, 1], expected, rtol=1e-3)


@given(st.floats(-1e4, 1e4), st.sampled_from([0.0, 1.0]))
@settings(deadline=None)
def test_a_bernoulli_never_overflows(logit, pixel):
    value = float(likelihoods.bernoulli(np.float32(pixel), np.float32(logit)))
    expected = -np.logaddexp(0, -logit if pixel else logit)
    assert value == pytest.approx(expected, rel=1e-5, abs=1e-6)


@given(st.integers(1, 6), st.integers(0, 1000))
@settings(deadline=None, max_examples=20)
def test_the_bound_grows_to_the_largest_weight_and_ignores_order(count, seed):
    weights = np.random.RandomState(seed).normal(0, 30, (2, count)).astype("float32")
    bound = np.asarray(objectives.importance_weighted_bound(weights))
    assert np.all(bound <= weights.max(-1) + 1e-4)
    assert np.all(bound >= weights.mean(-1) - 1e-4)
    np.testing.assert_allclose(
        bound, objectives.importance_weighted_bound(weights[:, ::-1]), rtol=1e-5
    )


def test_one_importance_sample_is_the_elbo_with_a_sampled_divergence():
    random = np.random.RandomState(0)
    mean, log_variance = random.normal(size=(2, 4, 3)).astype("float32")
    epsilon = random.normal(size=(4, 20000, 3)).astype("float32")
    z = mean[:, None] + np.exp(log_variance / 2)[:, None] * epsilon
    weights = objectives.log_importance_weights(np.zeros((4, 20000), "f"), z, mean, log_variance)
    kl = np.asarray(objectives.gaussian_kl(mean, log_variance)).sum(-1)
    np.testing.assert_allclose(-np.asarray(weights).mean(-1), kl, rtol=0.05)


def test_noise_has_the_moments_of_a_standard_normal():
    drawn = noise.normal(20000, 3, seed=0)
    np.testing.assert_allclose(drawn.mean(0), 0, atol=0.03)
    np.testing.assert_allclose(np.cov(drawn.T), np.eye(3), atol=0.05)


def test_free_bits_are_granted_to_the_mean_over_the_batch():
    model = zoo.VAE(zoo.VAEConfig(hidden=(4,), latent_dim=2, free_bits=1e3))
    batch = tiny.batch(model.config, 4)
    outputs = model(batch)
    log_likelihood = likelihoods.log_prob(batch[:, None], outputs["parameters"], "bernoulli")
    loss = float(model.compute_loss(x=batch, y_pred=outputs))
    assert loss == pytest.approx(-float(keras.ops.mean(log_likelihood)) + 2 * 1e3, rel=1e-5)
