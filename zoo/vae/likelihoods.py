"""Likelihoods p(x|z) of an image, in nats, computed on the decoder's raw parameters."""

from keras import KerasTensor, ops

LEVELS = 256  # grey levels of the discretized logistic


def parameters_per_value(likelihood: str) -> int:
    """Return how many numbers the decoder gives for each value of the image."""
    return {"bernoulli": 1, "discretized_logistic": 2}[likelihood]


def log_prob(image: KerasTensor, parameters: KerasTensor, likelihood: str) -> KerasTensor:
    """Log-likelihood of images under decoder outputs.

    Args:
        image: `(..., H, W, C)` in [0, 1]; for `bernoulli` usually binary.
        parameters: `(..., H, W, P)`, see `bernoulli` and `discretized_logistic`.
        likelihood: `bernoulli` or `discretized_logistic`.

    Returns:
        `(...)` nats, summed over the image.

    Example:
        >>> import numpy as np
        >>> round(float(log_prob(np.ones((2, 2, 1)), np.zeros((2, 2, 1)), "bernoulli")), 4)
        -2.7726
    """
    per_value = {"bernoulli": bernoulli, "discretized_logistic": discretized_logistic}[likelihood]
    return ops.sum(per_value(image, parameters), axis=(-3, -2, -1))


def expected_image(parameters: KerasTensor, likelihood: str) -> KerasTensor:
    """Return the mean image `(..., H, W, C)` in [0, 1] of decoder outputs `(..., H, W, P)`."""
    if likelihood == "bernoulli":
        return ops.sigmoid(parameters)
    mean, _ = ops.split(parameters, 2, axis=-1)
    return ops.clip((mean + 1) / 2, 0, 1)


def bernoulli(image: KerasTensor, logits: KerasTensor) -> KerasTensor:
    """Log-probability of each value in [0, 1] under `sigmoid(logits)`; exact for any logit."""
    return image * logits - ops.softplus(logits)


def discretized_logistic(image: KerasTensor, parameters: KerasTensor) -> KerasTensor:
    """Log-probability of each of 256 levels under a logistic density integrated over its bin.

    Args:
        image: `(..., C)` in [0, 1], multiples of 1/255.
        parameters: `(..., 2C)`: mean on the scale [-1, 1], and log scale.

    Reference:
        Kingma et al. 2016 (arXiv:1606.04934), eq. 16; Salimans et al. 2017 (arXiv:1701.05517).
    """
    mean, log_scale = ops.split(parameters, 2, axis=-1)  # (..., C) each
    log_scale = ops.maximum(log_scale, -7.0)
    half_bin = 1 / (LEVELS - 1)
    centred = (2 * image - 1 - mean) * ops.exp(-log_scale)
    reach = half_bin * ops.exp(-log_scale)
    upper, lower = centred + reach, centred - reach
    # log(sigmoid(u) - sigmoid(l)) = logsig(u) + logsig(-l) + log(1 - exp(l - u)), safe in tails;
    # 1 - exp by expm1, as it is rounded to 0 where the density is wide against its bins.
    width = ops.log(-ops.expm1(-2 * reach))
    inside = ops.log_sigmoid(upper) + ops.log_sigmoid(-lower) + width
    darkest = ops.log_sigmoid(upper)  # the outermost bins reach to infinity
    brightest = ops.log_sigmoid(-lower)
    edge = 0.5 / (LEVELS - 1)
    return ops.where(image < edge, darkest, ops.where(image > 1 - edge, brightest, inside))
