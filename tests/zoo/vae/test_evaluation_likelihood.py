"""The likelihood estimate on a model whose likelihood is an integral that can be done exactly."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_expit, logsumexp

from zoo.vae.evaluation import EvaluateConfig
from zoo.vae.evaluation.likelihood import draw, estimate_likelihood
from zoo.vae.evaluation.posteriors import observed


class CurveModel:
    """A model of 2x2 binary images whose logits lie on a line in a latent of one dimension.

    `p(x)` is an integral over the line, done on a grid. The encoder is only roughly right.
    """

    image_shape = (2, 2, 1)
    latent_dim = 1
    likelihood = "bernoulli"

    def __init__(self, classes: int = 0, slope: float = 2.0, offset: float = 0.5):
        self.classes = classes
        self.slope = slope * np.array([1.0, -1.0, 0.5, 1.5], np.float32)
        self.offset = offset * np.array([1.0, -0.5, 0.0, -1.0], np.float32)

    def encode(self, images, labels):
        mean = images.reshape(-1, 4) @ np.array([[0.4], [-0.4], [0.2], [0.6]], np.float32) - 0.4
        if labels is not None:
            mean = mean + 0.3 * labels[:, None].astype(np.float32)
        return mean, np.full_like(mean, math.log(0.8))

    def decode_parameters(self, z, labels):
        shift = 0 if labels is None else labels[:, None].astype(np.float32)
        return (z * self.slope + self.offset + shift).reshape(-1, 2, 2, 1)

    def prior(self, labels):
        mean = 0.5 * labels[:, None].astype(np.float32)
        return mean, np.full_like(mean, math.log(1.2))

    def exact(self, images, labels):
        """Return log p(x), E_q log p(x|z) and KL of each image, by numeric integration."""
        z = np.linspace(-12, 12, 4001)
        grid = z.astype(np.float32)[:, None]
        answers = []
        for index, image in enumerate(images):
            label = None if labels is None else np.full(len(z), labels[index])
            logits = np.float64(self.decode_parameters(grid, label)).reshape(-1, 4)
            signs = 2.0 * image.reshape(4) - 1
            log_likelihood = log_expit(signs * logits).sum(axis=1)
            own = None if labels is None else labels[index : index + 1]
            posterior = gaussian(z, *self.encode(images[index : index + 1], own))
            prior = gaussian(z, *((0.0, 0.0) if labels is None else self.prior(own)))
            step = z[1] - z[0]
            weight = np.exp(posterior) * step
            evidence = logsumexp(log_likelihood + prior) + math.log(step)
            terms = weight @ log_likelihood, weight @ (posterior - prior)
            answers.append((evidence, *terms))
        return np.array(answers).T


def gaussian(z, mean, log_variance):
    mean, log_variance = float(np.squeeze(mean)), float(np.squeeze(log_variance))
    return -0.5 * ((z - mean) ** 2 / np.exp(log_variance) + log_variance + math.log(2 * math.pi))


def binary(count, shape=(2, 2, 1), seed=0):
    return np.random.default_rng(seed).integers(0, 2, (count, *shape)).astype(np.float32)


def grey(count, shape=(28, 28, 1), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, *shape))
    return (pixels / 255).astype(np.float32)


def labels_for(classes, count):
    return np.arange(count, dtype=np.int32) % classes if classes else None


@pytest.mark.parametrize("classes", [0, 3])
def test_likelihood_agrees_with_numeric_integration(classes):
    model, images, labels = CurveModel(classes), binary(8), labels_for(classes, 8)
    evidence, log_likelihood, kl = model.exact(images, labels)
    estimate = estimate_likelihood(model, images, labels, EvaluateConfig())
    np.testing.assert_allclose(estimate.nll, -evidence, atol=0.03)
    np.testing.assert_allclose(estimate.reconstruction, -log_likelihood, atol=0.1)
    np.testing.assert_allclose(estimate.kl, kl, atol=1e-4)


def test_bound_rises_with_samples_from_elbo_to_evidence():
    model, images = CurveModel(), binary(400)
    evidence, log_likelihood, kl = model.exact(images, None).mean(axis=1)
    bounds = [
        -estimate_likelihood(model, images, None, EvaluateConfig(importance_samples=k)).nll.mean()
        for k in (1, 5, 50, 1000)
    ]
    assert bounds == sorted(bounds)
    assert bounds[0] == pytest.approx(log_likelihood - kl, abs=0.1)
    assert bounds[-1] == pytest.approx(evidence, abs=0.005)


@settings(max_examples=25, deadline=None)
@given(
    batch_size=st.integers(1, 70),
    samples=st.integers(1, 40),
    count=st.integers(1, 9),
    classes=st.sampled_from([0, 2]),
)
def test_batch_size_changes_nothing(batch_size, samples, count, classes):
    model, images, labels = CurveModel(classes), binary(count), labels_for(classes, count)
    whole = EvaluateConfig(importance_samples=samples, batch_size=10_000)
    parts = EvaluateConfig(importance_samples=samples, batch_size=batch_size)
    for expected, value in zip(
        vars(estimate_likelihood(model, images, labels, whole)).values(),
        vars(estimate_likelihood(model, images, labels, parts)).values(),
        strict=True,
    ):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(samples=st.integers(1, 60), share=st.integers(1, 60), start=st.integers(0, 5))
def test_noise_belongs_to_the_image(samples, share, start):
    whole = next(draw(slice(0, 6), samples, samples, latent_dim=3, seed=7))  # (6, K, 3)
    parts = list(draw(slice(start, 6), samples, share, latent_dim=3, seed=7))
    assert max(part.shape[1] for part in parts) <= share
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), whole[start:])


@pytest.mark.parametrize("logit", [1e4, -1e4])
def test_extreme_logits_give_exact_finite_likelihoods(logit):
    model = CurveModel(slope=0.0)
    model.offset = np.full(4, logit, np.float32)
    images = np.stack([np.ones((2, 2, 1)), np.zeros((2, 2, 1))]).astype(np.float32)
    estimate = estimate_likelihood(model, images, None, EvaluateConfig())
    wrong = 4e4
    # A decoder that ignores z has p(x) = p(x|z) for any z.
    expected = [0, wrong] if logit > 0 else [wrong, 0]
    np.testing.assert_allclose(estimate.nll, expected, atol=0.05)
    np.testing.assert_allclose(estimate.reconstruction, expected, atol=1e-3)


def test_same_seed_same_value():
    def nll(seed):
        config = EvaluateConfig(importance_samples=3, seed=seed)
        return estimate_likelihood(
            CurveModel(), np.full((5, 2, 2, 1), 0.5, np.float32), None, config
        )

    assert (nll(1).nll == nll(1).nll).all()
    assert (nll(1).nll != nll(2).nll).any()


def test_binarization_is_one_fixed_draw_of_the_right_mean():
    images = grey(200)
    drawn = observed(images, "bernoulli", seed=3)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    assert (observed(images[:20], "bernoulli", seed=3) == drawn[:20]).all()
    assert abs(drawn.mean() - images.mean()) < 0.01
    assert (observed(drawn, "bernoulli", seed=4) == drawn).all()
    assert observed(images, "discretized_logistic", seed=3) is images
