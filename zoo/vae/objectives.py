"""The terms of variational objectives: pure functions, in nats."""

import math

from keras import KerasTensor, ops


def gaussian_log_prob(
    value: KerasTensor, mean: KerasTensor, log_variance: KerasTensor
) -> KerasTensor:
    """Log-density of diagonal Gaussians: `(..., D)` each, broadcast -> `(...)` nats."""
    squared = ops.square(value - mean) * ops.exp(-log_variance)
    return -0.5 * ops.sum(squared + log_variance + math.log(2 * math.pi), axis=-1)


def gaussian_kl(
    mean: KerasTensor,
    log_variance: KerasTensor,
    prior_mean: KerasTensor | float = 0.0,
    prior_log_variance: KerasTensor | float = 0.0,
) -> KerasTensor:
    """KL divergence of a diagonal Gaussian from a prior, per dimension.

    Args:
        mean, log_variance: `(..., D)` of the posterior.
        prior_mean, prior_log_variance: `(..., D)` or scalars; standard normal unless given.

    Returns:
        `(..., D)` nats, each >= 0.

    Reference:
        Kingma and Welling 2014 (arXiv:1312.6114), appendix B.
    """
    difference = log_variance - prior_log_variance
    squared = ops.square(mean - prior_mean) * ops.exp(-prior_log_variance)
    return 0.5 * (squared + ops.exp(difference) - 1 - difference)


def log_importance_weights(
    log_likelihood: KerasTensor,
    z: KerasTensor,
    mean: KerasTensor,
    log_variance: KerasTensor,
    prior_mean: KerasTensor | float = 0.0,
    prior_log_variance: KerasTensor | float = 0.0,
) -> KerasTensor:
    """Log-weights of posterior samples: `log p(x|z) + log p(z) - log q(z|x)`.

    Args:
        log_likelihood: `log p(x|z)`, `(B, K)` nats.
        z: samples of the posterior, `(B, K, D)`.
        mean, log_variance: of the posterior, `(B, D)`.
        prior_mean, prior_log_variance: `(B, D)` or scalars; standard normal unless given.

    Returns:
        `(B, K)` nats.
    """
    log_posterior = gaussian_log_prob(z, *_per_sample(mean, log_variance))
    log_prior = gaussian_log_prob(z, *_per_sample(prior_mean, prior_log_variance))
    return log_likelihood + log_prior - log_posterior


def _per_sample(*terms: KerasTensor | float) -> list[KerasTensor | float]:
    return [term if isinstance(term, float) else term[:, None] for term in terms]  # (B, 1, D)


def importance_weighted_bound(log_weights: KerasTensor, axis: int = -1) -> KerasTensor:
    """Log of the mean importance weight over `axis`, the bound L_k on log p(x).

    Args:
        log_weights: `log p(x|z) + log p(z) - log q(z|x)`, one per sample along `axis`, in nats.

    Reference:
        Burda et al. 2016 (arXiv:1509.00519), eq. 8.
    """
    return ops.logsumexp(log_weights, axis=axis) - math.log(log_weights.shape[axis])
