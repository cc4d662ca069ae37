"""The residual pair of Miyato et al. (2018, arXiv:1802.05957), table 4."""

import math

from keras import KerasTensor, layers, ops

from zoo.gan.config import GANConfig
from zoo.gan.normalization import ConditionalBatchNormalization, spectral


class ResidualGenerator(layers.Layer):
    """Maps latents `(B, D)` (and one-hot labels) to images `(B, H, W, C)` on [-1, 1]."""

    def __init__(self, config: GANConfig, **kwargs):
        super().__init__(**kwargs)
        height, width, colours = config.image_shape
        scale = 2 ** len(config.channels)
        widths = config.channels[::-1]  # coarsest first
        self.smallest = (height // scale, width // scale, widths[0])
        self.expand = layers.Dense(math.prod(self.smallest), name="expand")
        self.blocks = [
            UpBlock(before, after, config.classes, name=f"up_{level}")
            for level, (before, after) in enumerate(zip(widths[:1] + widths, widths, strict=False))
        ]
        # The last one is of the image, not of a label, as in the paper's conditional successor.
        self.normalize = layers.BatchNormalization(synchronized=True, name="normalize")
        self.image = layers.Conv2D(colours, 3, padding="same", dtype="float32", name="image")

    def call(
        self, z: KerasTensor, condition: KerasTensor | None = None, training: bool = False
    ) -> KerasTensor:
        x = ops.reshape(self.expand(z), (-1, *self.smallest))  # (B, h, w, channels)
        for block in self.blocks:
            x = block(x, condition)
        return ops.tanh(self.image(ops.relu(self.normalize(x))))  # (B, H, W, C)


class UpBlock(layers.Layer):
    """Doubles the size: `shortcut(x) + convolve(activate(convolve(double(activate(x)))))`.

    No convolution has a bias, since the batch normalisation that follows would take it away.
    """

    def __init__(self, before: int, after: int, classes: int, **kwargs):
        super().__init__(**kwargs)
        self.normalize_1 = ConditionalBatchNormalization(before, classes, name="normalize_1")
        self.normalize_2 = ConditionalBatchNormalization(after, classes, name="normalize_2")
        self.double = layers.UpSampling2D(2, name="double")
        self.first = layers.Conv2D(after, 3, padding="same", use_bias=False, name="first")
        self.second = layers.Conv2D(after, 3, padding="same", use_bias=False, name="second")
        self.shortcut = layers.Conv2D(after, 1, use_bias=False, name="shortcut")

    def call(self, x: KerasTensor, condition: KerasTensor | None = None) -> KerasTensor:
        y = self.first(self.double(ops.relu(self.normalize_1(x, condition))))
        y = self.second(ops.relu(self.normalize_2(y, condition)))
        # A convolution of 1x1 commutes with doubling, and costs a quarter before it.
        return self.double(self.shortcut(x)) + y


class ResidualTrunk(layers.Layer):
    """Maps images to features `(B, F)`: a down block per entry of `channels`, one more, a sum."""

    def __init__(self, config: GANConfig, **kwargs):
        super().__init__(**kwargs)
        self.features = config.channels[-1]
        bounded = config.spectral_normalization
        self.blocks = [
            DownBlock(width, bounded, activate=level > 0, name=f"down_{level}")
            for level, width in enumerate(config.channels)
        ]
        self.blocks.append(DownBlock(self.features, bounded, halve=False, name="last"))

    def call(self, image: KerasTensor) -> KerasTensor:
        x = image
        for block in self.blocks:
            x = block(x)
        return ops.sum(ops.relu(x), axis=(1, 2))  # (B, F)


class DownBlock(layers.Layer):
    """Halves the size: `halve(shortcut(x) + convolve(activate(convolve(activate(x)))))`.

    Args:
        width: channels that leave it.
        bounded: whether convolutions are spectrally normalised.
        activate: whether to begin with the rectifier, which on an image would cut half of it off.
        halve: whether to halve the size; if not, the shortcut is the identity.
    """

    def __init__(
        self, width: int, bounded: bool, activate: bool = True, halve: bool = True, **kwargs
    ):
        super().__init__(**kwargs)
        self.activate = ops.relu if activate else layers.Identity()
        self.halve = layers.AveragePooling2D(2, name="halve") if halve else layers.Identity()
        self.first = spectral(layers.Conv2D(width, 3, padding="same", name="first"), bounded)
        self.second = spectral(layers.Conv2D(width, 3, padding="same", name="second"), bounded)
        self.shortcut = layers.Identity()
        if halve:
            self.shortcut = spectral(layers.Conv2D(width, 1, name="shortcut"), bounded)

    def call(self, x: KerasTensor) -> KerasTensor:
        y = self.second(ops.relu(self.first(self.activate(x))))
        return self.halve(self.shortcut(x) + y)
