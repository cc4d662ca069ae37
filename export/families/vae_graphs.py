"""The graphs of a VAE: decoder, encoder and, for a conditional model, its prior."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from export.families.ports import labels_port, port
from export.proof.graphs import Arrays, GraphSpec
from serving import noise
from serving.bundle.records import Port
from zoo.vae import VAE, likelihoods

PARAMETERS = {
    "bernoulli": "logits of the Bernoulli likelihood",
    "discretized_logistic": "means in [-1, 1], then log scales, of the discretized logistic",
}


def graphs(model: VAE) -> list[GraphSpec]:
    """Describe what a VAE exports; the decoder comes first and is what serves by default."""
    conditional = [_prior(model)] if model.config.classes else []
    return [_decoder(model), _encoder(model), *conditional]


def _decoder(model: VAE) -> GraphSpec:
    def call(z: Any, labels: Any = None) -> Mapping[str, Any]:
        parameters = model.decode_parameters(z, labels)
        return {"image": model.expected_image(parameters), "parameters": parameters}

    config = model.config
    *size, channels = config.image_shape
    per_pixel = channels * likelihoods.parameters_per_value(config.likelihood)
    return GraphSpec(
        role="decoder",
        signature="decode",
        call=call,
        inputs=(
            port("z", config.latent_dim, meaning="latent, a draw from the prior"),
            *labels_port(model.config.classes),
        ),
        outputs=(
            port("image", *config.image_shape, meaning="expected image in [0, 1]"),
            port("parameters", *size, per_pixel, meaning=PARAMETERS[config.likelihood]),
        ),
        sample=lambda count, seed: _draw(model, count, seed),
        sensitivity=("z", "image"),
    )


def _encoder(model: VAE) -> GraphSpec:
    def call(image: Any, labels: Any = None) -> Mapping[str, Any]:
        return _gaussian(*model.encode(image, labels))

    def sample(count: int, seed: int) -> Arrays:
        """Images as the model itself draws them: no data set is needed to prove an export."""
        latent = _draw(model, count, seed)
        z, labels = latent.pop("z"), latent
        return {"image": np.asarray(model.decode(z, **labels))} | labels

    return GraphSpec(
        role="encoder",
        signature="encode",
        call=call,
        inputs=(
            port("image", *model.config.image_shape, meaning="image in [0, 1]"),
            *labels_port(model.config.classes),
        ),
        outputs=_moments(model, "posterior"),
        sample=sample,
        sensitivity=("image", "mean"),
    )


def _prior(model: VAE) -> GraphSpec:
    return GraphSpec(
        role="prior",
        signature="prior",
        call=lambda labels: _gaussian(*model.prior(labels)),
        inputs=labels_port(model.config.classes),
        outputs=_moments(model, "prior"),
        sample=lambda count, seed: {"labels": _draw(model, count, seed)["labels"]},
    )


def _draw(model: VAE, count: int, seed: int) -> Arrays:
    """Draw latents from the prior, of random labels where there are any."""
    z = noise.normal(count, model.config.latent_dim, seed)
    if not model.config.classes:
        return {"z": z}
    labels = np.random.RandomState(seed).randint(model.config.classes, size=count)
    mean, log_variance = (np.asarray(term) for term in model.prior(labels))
    return {"z": mean + np.exp(log_variance / 2) * z, "labels": labels.astype(np.int64)}


def _gaussian(mean: Any, log_variance: Any) -> Mapping[str, Any]:
    return {"mean": mean, "log_variance": log_variance}


def _moments(model: VAE, of: str) -> tuple[Port, ...]:
    return tuple(
        port(name, model.config.latent_dim, meaning=f"{words} of the Gaussian {of}")
        for name, words in (("mean", "mean"), ("log_variance", "logarithm of the variance"))
    )
