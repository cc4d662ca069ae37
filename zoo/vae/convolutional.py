"""A residual convolutional encoder and decoder.

There is no normalisation: batch statistics would tie an image's latent to its neighbours, and the
last convolution of each residual branch starts at zero, which is enough to train this depth.
"""

import math

import keras
from keras import KerasTensor, layers, ops

from zoo.vae.config import VAEConfig
from zoo.vae.dense import dense_stack, stack


class ResidualBlock(layers.Layer):
    """`x + convolve(activate(convolve(activate(x))))`, the identity at first."""

    def __init__(self, channels: int, activation: str, **kwargs):
        super().__init__(**kwargs)
        self.activate = keras.activations.get(activation)
        self.first = layers.Conv2D(channels, 3, padding="same", name="first")
        self.second = layers.Conv2D(
            channels, 3, padding="same", kernel_initializer="zeros", name="second"
        )

    def call(self, x: KerasTensor) -> KerasTensor:
        return x + self.second(self.activate(self.first(self.activate(x))))


class ConvolutionalEncoder(layers.Layer):
    """Halves the image once per entry of `config.channels`, then goes dense."""

    def __init__(self, config: VAEConfig, **kwargs):
        super().__init__(**kwargs)
        self.activate = keras.activations.get(config.activation)
        self.halvings = [
            layers.Conv2D(width, 4, strides=2, padding="same", name=f"halve_{level}")
            for level, width in enumerate(config.channels)
        ]
        self.residual = _residual_levels(config)
        self.label_bias = _label_bias(config, config.channels[0])
        self.hidden = dense_stack(config.hidden, config.activation)
        self.posterior = layers.Dense(2 * config.latent_dim, dtype="float32", name="posterior")

    def call(self, image: KerasTensor, condition: KerasTensor | None = None) -> KerasTensor:
        x = 2 * image - 1
        for level, (halve, residual) in enumerate(zip(self.halvings, self.residual, strict=True)):
            x = halve(x)
            if level == 0 and condition is not None:
                x = x + self.label_bias(condition)[:, None, None, :]
            x = residual(x)
            if level < len(self.halvings) - 1:
                x = self.activate(x)
        x = layers.Flatten("channels_last")(self.activate(x))
        if condition is not None:
            x = ops.concatenate([x, ops.cast(condition, x.dtype)], axis=-1)
        return self.posterior(self.hidden(x))  # (B, 2 D)


class ConvolutionalDecoder(layers.Layer):
    """Goes from the latent to the smallest feature map, then doubles it to the image's size."""

    def __init__(self, config: VAEConfig, parameters: int, **kwargs):
        super().__init__(**kwargs)
        self.activate = keras.activations.get(config.activation)
        height, width, _ = config.image_shape
        scale = 2 ** len(config.channels)
        self.smallest = (height // scale, width // scale, config.channels[-1])
        self.hidden = dense_stack(config.hidden[::-1], config.activation)
        self.expand = layers.Dense(math.prod(self.smallest), name="expand")
        self.residual = _residual_levels(config)[::-1]
        wider = [*config.channels[-2::-1], parameters]  # one output width per doubling
        self.doublings = [
            layers.Conv2DTranspose(
                width,
                4,
                strides=2,
                padding="same",
                name=f"double_{level}",
                dtype="float32" if level == len(wider) - 1 else None,
            )
            for level, width in enumerate(wider)
        ]

    def call(self, z: KerasTensor, condition: KerasTensor | None = None) -> KerasTensor:
        if condition is not None:
            z = ops.concatenate([z, condition], axis=-1)
        x = ops.reshape(self.expand(self.hidden(z)), (-1, *self.smallest))  # (B, h, w, channels)
        for residual, double in zip(self.residual, self.doublings, strict=True):
            x = double(self.activate(residual(x)))
        return x  # (B, H, W, P)


def _residual_levels(config: VAEConfig) -> list[layers.Layer]:
    return [
        stack(
            [
                ResidualBlock(width, config.activation, name=f"block_{index}")
                for index in range(config.blocks)
            ],
            f"residual_{level}",
        )
        for level, width in enumerate(config.channels)
    ]


def _label_bias(config: VAEConfig, width: int) -> layers.Dense | None:
    return layers.Dense(width, use_bias=False, name="label_bias") if config.classes else None
