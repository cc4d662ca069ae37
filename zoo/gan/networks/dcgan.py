"""The convolutional pair of Radford et al. (2016, arXiv:1511.06434), kernels of 4 and strides of 2.

The discriminator has no batch normalisation, unlike the paper's: what it says of an image does not
depend on the others of the batch, which gradient penalties and projections suppose.
"""

import math

from keras import KerasTensor, layers, ops

from zoo.gan.config import GANConfig
from zoo.gan.normalization import ConditionalBatchNormalization, spectral

SLOPE = 0.2  # of the leaky rectifier below zero


class DCGANGenerator(layers.Layer):
    """Maps latents `(B, D)` (and one-hot labels) to images `(B, H, W, C)` on [-1, 1]."""

    def __init__(self, config: GANConfig, **kwargs):
        super().__init__(**kwargs)
        height, width, colours = config.image_shape
        scale = 2 ** len(config.channels)
        widths = config.channels[::-1]  # coarsest first
        self.smallest = (height // scale, width // scale, widths[0])
        self.expand = layers.Dense(math.prod(self.smallest), use_bias=False, name="expand")
        self.normalize = [
            ConditionalBatchNormalization(width, config.classes, name=f"normalize_{level}")
            for level, width in enumerate(widths)
        ]
        self.doublings = [
            _doubling(width, use_bias=False, name=f"double_{level}")
            for level, width in enumerate(widths[1:])
        ]
        self.doublings.append(_doubling(colours, dtype="float32", name="image"))

    def call(
        self, z: KerasTensor, condition: KerasTensor | None = None, training: bool = False
    ) -> KerasTensor:
        x = ops.reshape(self.expand(z), (-1, *self.smallest))  # (B, h, w, channels)
        for normalize, double in zip(self.normalize, self.doublings, strict=True):
            x = double(ops.relu(normalize(x, condition)))
        return ops.tanh(x)  # (B, H, W, C)


class DCGANTrunk(layers.Layer):
    """Maps images to features `(B, F)`, halving them once per convolution."""

    def __init__(self, config: GANConfig, **kwargs):
        super().__init__(**kwargs)
        widths = config.discriminator_channels or config.channels
        height, width, _ = (-(-size // 2 ** len(widths)) for size in config.image_shape)
        self.features = height * width * widths[-1]
        self.halvings = [
            spectral(
                layers.Conv2D(width, 4, strides=2, padding="same", name=f"halve_{level}"),
                config.spectral_normalization,
            )
            for level, width in enumerate(widths)
        ]

    def call(self, image: KerasTensor) -> KerasTensor:
        x = image
        for halve in self.halvings:
            x = ops.leaky_relu(halve(x), SLOPE)
        return layers.Flatten("channels_last")(x)


def _doubling(width: int, **kwargs) -> layers.Layer:
    return layers.Conv2DTranspose(width, 4, strides=2, padding="same", **kwargs)
