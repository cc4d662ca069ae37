"""How probable the images are: the ELBO and its terms, and the importance-weighted likelihood."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from keras import KerasTensor, ops
from tqdm import tqdm

from zoo.metric import Metric
from zoo.vae.evaluation.config import EvaluateConfig
from zoo.vae.evaluation.posteriors import at, batches, infer, observed
from zoo.vae.evaluation.subject import Labels, LatentModel
from zoo.vae.likelihoods import log_prob
from zoo.vae.objectives import gaussian_kl, log_importance_weights

SAMPLES_AT_ONCE = 500  # latents of one image; with fewer images at once the memory stays bounded


def likelihood(
    subject: LatentModel, images: np.ndarray, labels: Labels, settings: EvaluateConfig
) -> Iterator[Metric]:
    """Yield the importance-weighted likelihood, bits per dimension, and the ELBO and its terms.

    Reference:
        Burda et al. 2016 (arXiv:1509.00519), section 5 and appendix D.
    """
    samples, values = settings.importance_samples, math.prod(subject.image_shape)
    estimate = estimate_likelihood(subject, images, labels, settings)
    nll, reconstruction, kl = (each.mean() for each in vars(estimate).values())
    draws = f"K={samples} samples z of q(z|x)"
    kind = "binarized by one fixed draw" if subject.likelihood == "bernoulli" else "of 256 levels"
    over = f"mean over test images {kind}"
    for name, value, unit, definition in (
        ("nll", nll, "nats/image", f"-log of the mean of p(x,z)/q(z|x) over {draws}; {over}"),
        ("bits_per_dim", nll / (values * math.log(2)), "bits/dim", f"nll / ({values} ln 2)"),
        ("elbo", -reconstruction - kl, "nats/image", f"-reconstruction - kl; {over}"),
        ("reconstruction", reconstruction, "nats/image", f"mean -log p(x|z) over {draws}; {over}"),
        ("kl", kl, "nats/image", f"KL(q(z|x) || p(z)) in closed form; {over}"),
    ):
        yield Metric(
            name=name,
            value=value,
            unit=unit,
            definition=definition,
            samples=len(images),
            seed=settings.seed,
            importance_samples=samples,
            likelihood=subject.likelihood,
            better="higher" if name == "elbo" else "lower",
        )


@dataclass(frozen=True)
class Estimate:
    """Of each of N images, in nats, float64 `(N,)`."""

    nll: np.ndarray  # importance-weighted estimate of -log p(x)
    reconstruction: np.ndarray  # estimate of E_q(z|x)[-log p(x|z)]
    kl: np.ndarray


def estimate_likelihood(
    subject: LatentModel, images: np.ndarray, labels: Labels, settings: EvaluateConfig
) -> Estimate:
    """Estimate the log-likelihood of each image, in memory bounded by `settings.batch_size`."""
    images = observed(images, subject.likelihood, settings.seed)
    posteriors = infer(subject, images, labels, settings.batch_size)
    count, samples = len(images), settings.importance_samples
    # Equal shares of the samples (5000 = 10 x 500) keep the products large and of one shape.
    share = math.ceil(samples / math.ceil(samples / min(SAMPLES_AT_ONCE, settings.batch_size)))
    log_likelihood, log_evidence = np.zeros(count), np.full(count, -np.inf)
    description = f"likelihood, K={samples}"
    with tqdm(total=count, desc=description, unit="image", leave=False, disable=None) as progress:
        for rows in batches(count, max(1, settings.batch_size // share)):
            for noise in draw(rows, samples, share, subject.latent_dim, settings.seed):
                terms, log_weights = score(
                    subject, images[rows], at(labels, rows), posteriors[rows], noise
                )
                log_likelihood[rows] += terms.sum(axis=1) / samples
                added = np.logaddexp.reduce(log_weights, axis=1)
                log_evidence[rows] = np.logaddexp(log_evidence[rows], added)
            progress.update(rows.stop - rows.start)
    kl = np.asarray(ops.sum(gaussian_kl(*posteriors[:]), axis=-1), np.float64)
    return Estimate(math.log(samples) - log_evidence, -log_likelihood, kl)


def draw(rows: slice, samples: int, share: int, latent_dim: int, seed: int) -> Iterator[np.ndarray]:
    """Yield standard normal noise for the images `rows`, `(B, K, D)`, until K sums to `samples`.

    Image i has its own stream, seeded by `(seed, 1 + i)`. Its noise does not depend on batches, on
    other images or on the model, so two variants of one model are compared on the same draws.
    """
    streams = [np.random.default_rng((seed, 1 + image)) for image in range(rows.start, rows.stop)]
    for part in batches(samples, share):
        shape = (part.stop - part.start, latent_dim)
        yield np.stack([stream.standard_normal(shape, np.float32) for stream in streams])


def score(
    subject: LatentModel,
    images: np.ndarray,
    labels: Labels,
    posteriors: tuple[np.ndarray, ...],
    noise: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return log p(x|z) and the log of the importance weight p(x,z)/q(z|x), float64 `(B, K)`.

    Args:
        subject: the model.
        images: `(B, H, W, C)`.
        labels: `(B,)` or None.
        posteriors: mean and log-variance of posterior and prior, `(B, D)` each.
        noise: standard normal `(B, K, D)`.
    """
    batch, samples, latent_dim = noise.shape
    mean, log_variance, *_ = posteriors
    z = mean[:, None] + np.exp(0.5 * log_variance)[:, None] * noise  # (B, K, D)
    repeated = None if labels is None else np.repeat(labels, samples)
    parameters = subject.decode_parameters(z.reshape(batch * samples, latent_dim), repeated)
    log_likelihood, log_weights = _densities(subject.likelihood, images, parameters, z, *posteriors)
    return np.asarray(log_likelihood, np.float64), np.asarray(log_weights, np.float64)


@tf.function(reduce_retracing=True)
def _densities(
    likelihood: str,
    images: KerasTensor,
    parameters: KerasTensor,
    z: KerasTensor,
    mean: KerasTensor,
    log_variance: KerasTensor,
    prior_mean: KerasTensor,
    prior_log_variance: KerasTensor,
) -> tuple[KerasTensor, KerasTensor]:
    batch, samples, _ = ops.shape(z)
    shape = (batch, samples, *ops.shape(parameters)[1:])  # (B, K, H, W, P)
    parameters = ops.reshape(ops.cast(parameters, "float32"), shape)
    log_likelihood = log_prob(images[:, None], parameters, likelihood)  # (B, K)
    log_weights = log_importance_weights(
        log_likelihood, z, mean, log_variance, prior_mean, prior_log_variance
    )
    return log_likelihood, log_weights
