"""What can be evaluated: anything that maps images to latents and latents to images."""

from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf

Labels = np.ndarray | None


class LatentModel(Protocol):
    """A VAE seen from outside: NumPy arrays in, anything NumPy can read out.

    `labels`, int32 `(B,)`, are None where `classes` is 0, and only then.
    """

    image_shape: tuple[int, int, int]
    latent_dim: int
    likelihood: str
    classes: int

    def encode(self, images: np.ndarray, labels: Labels) -> tuple[Any, Any]:
        """Map images `(B, H, W, C)` to mean and log-variance of the posterior, `(B, D)`."""

    def decode_parameters(self, z: np.ndarray, labels: Labels) -> Any:
        """Map latents `(B, D)` to the parameters of the likelihood, `(B, H, W, P)`."""

    def prior(self, labels: np.ndarray) -> tuple[Any, Any]:
        """Return the label's prior, mean and log-variance `(B, D)`; asked for if `classes` > 0."""


class KerasLatentModel:
    """A `zoo.VAE` as a `LatentModel`, its methods compiled.

    Args:
        model: a built `zoo.VAE`.
    """

    def __init__(self, model: keras.Model):
        config = model.config
        self.image_shape = tuple(config.image_shape)
        self.latent_dim = config.latent_dim
        self.likelihood = config.likelihood
        self.classes = config.classes
        self.encode = tf.function(model.encode, reduce_retracing=True)
        self.decode_parameters = tf.function(model.decode_parameters, reduce_retracing=True)
        self.prior = tf.function(model.prior, reduce_retracing=True)
