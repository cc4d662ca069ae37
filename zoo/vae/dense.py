"""The dense encoder and decoder of Burda et al. (2016): image - 200 - 200 - latent and back."""

import math

import keras
from keras import KerasTensor, layers, ops

from zoo.vae.config import VAEConfig


class DenseEncoder(layers.Layer):
    """Maps images (and one-hot labels) to the mean and log-variance of the posterior."""

    def __init__(self, config: VAEConfig, **kwargs):
        super().__init__(**kwargs)
        self.hidden = dense_stack(config.hidden, config.activation)
        self.posterior = layers.Dense(2 * config.latent_dim, dtype="float32", name="posterior")

    def call(self, image: KerasTensor, condition: KerasTensor | None = None) -> KerasTensor:
        features = layers.Flatten("channels_last")(image)  # (B, H * W * C)
        if condition is not None:
            features = ops.concatenate([features, condition], axis=-1)
        return self.posterior(self.hidden(features))  # (B, 2 D)


class DenseDecoder(layers.Layer):
    """Maps latents (and one-hot labels) to the parameters of the likelihood."""

    def __init__(self, config: VAEConfig, parameters: int, **kwargs):
        super().__init__(**kwargs)
        height, width, _ = config.image_shape
        self.parameters_shape = (height, width, parameters)
        self.hidden = dense_stack(config.hidden[::-1], config.activation)
        self.output_layer = layers.Dense(
            math.prod(self.parameters_shape), dtype="float32", name="parameters"
        )

    def call(self, z: KerasTensor, condition: KerasTensor | None = None) -> KerasTensor:
        if condition is not None:
            z = ops.concatenate([z, condition], axis=-1)
        flat = self.output_layer(self.hidden(z))
        return ops.reshape(flat, (-1, *self.parameters_shape))  # (B, H, W, P)


def dense_stack(widths: tuple[int, ...], activation: str) -> layers.Layer:
    """Return dense layers in a row; the identity for no widths."""
    return stack([layers.Dense(width, activation) for width in widths], "hidden")


def stack(members: list[layers.Layer], name: str) -> layers.Layer:
    """Return layers in a row; the identity for none, which `Sequential` refuses."""
    return keras.Sequential(members, name=name) if members else layers.Identity(name=name)
