"""The dense pair: latent - 256 - 512 - 1024 - image (Goodfellow et al. 2014, arXiv:1406.2661)."""

import math

from keras import KerasTensor, layers, ops

from zoo.gan.config import GANConfig
from zoo.gan.normalization import ConditionalBatchNormalization, spectral

SLOPE = 0.2  # of the leaky rectifier below zero


class DenseGenerator(layers.Layer):
    """Maps latents `(B, D)` (and one-hot labels) to images `(B, H, W, C)` on [-1, 1]."""

    def __init__(self, config: GANConfig, **kwargs):
        super().__init__(**kwargs)
        self.image_shape = config.image_shape
        self.widen = [
            layers.Dense(width, use_bias=False, name=f"dense_{level}")
            for level, width in enumerate(config.hidden)
        ]
        self.normalize = [
            ConditionalBatchNormalization(width, config.classes, name=f"normalize_{level}")
            for level, width in enumerate(config.hidden)
        ]
        self.image = layers.Dense(math.prod(config.image_shape), dtype="float32", name="image")

    def call(
        self, z: KerasTensor, condition: KerasTensor | None = None, training: bool = False
    ) -> KerasTensor:
        x = z
        for widen, normalize in zip(self.widen, self.normalize, strict=True):
            x = ops.leaky_relu(normalize(widen(x), condition), SLOPE)
        return ops.reshape(ops.tanh(self.image(x)), (-1, *self.image_shape))  # (B, H, W, C)


class DenseTrunk(layers.Layer):
    """Maps images to features `(B, F)`: the generator's widths in reverse."""

    def __init__(self, config: GANConfig, **kwargs):
        super().__init__(**kwargs)
        self.features = config.hidden[0]
        self.narrow = [
            spectral(layers.Dense(width, name=f"dense_{level}"), config.spectral_normalization)
            for level, width in enumerate(reversed(config.hidden))
        ]

    def call(self, image: KerasTensor) -> KerasTensor:
        x = layers.Flatten("channels_last")(image)  # (B, H * W * C)
        for narrow in self.narrow:
            x = ops.leaky_relu(narrow(x), SLOPE)
        return x
