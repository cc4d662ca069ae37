"""A residual network of the shape of EDSR-baseline (Lim et al. 2017, arXiv:1707.02921), smaller."""

import keras
from keras import KerasTensor, layers

from zoo.restoration.config import RestorationConfig
from zoo.restoration.networks.phases import phases

GAIN = 0.1  # of what a block adds at the beginning


class Residual(layers.Layer):
    """Features, blocks that each add to them, and a sub-pixel convolution.

    Unlike EDSR's it computes nothing at the size of the larger image, and adds to the bicubic
    enlargement. Like it, it normalises nothing. Call arguments and result are those of
    `zoo.restoration.networks`.

    Attributes:
        reach: how many pixels around one it looks at.

    Example:
        >>> import numpy as np
        >>> network = Residual(RestorationConfig(scale=2, colour="rgb", width=32, depth=2))
        >>> network(np.ones((1, 5, 6, 3), np.float32)).shape, network.reach
        (TensorShape([1, 5, 6, 12]), 7)
    """

    def __init__(self, config: RestorationConfig, **kwargs):
        super().__init__(**kwargs)
        self.features = layers.Conv2D(config.width, 3, padding="same", name="features")
        self.blocks = [Block(config.width, name=f"block_{at}") for at in range(config.depth)]
        self.together = layers.Conv2D(config.width, 3, padding="same", name="together")
        self.larger = phases(config.scale, config.channels)
        self.reach = 3 + 2 * config.depth

    def call(self, image: KerasTensor) -> KerasTensor:
        first = features = self.features(image)
        for block in self.blocks:
            features = block(features)
        return self.larger(first + self.together(features))


class Block(layers.Layer):
    """Adds to features `(B, H, W, C)` what two convolutions make of them."""

    def __init__(self, width: int, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Conv2D(width, 3, padding="same", activation="relu", name="first")
        self.second = layers.Conv2D(
            width,
            3,
            padding="same",
            kernel_initializer=keras.initializers.VarianceScaling(GAIN**2),
            name="second",
        )

    def call(self, features: KerasTensor) -> KerasTensor:
        return features + self.second(self.first(features))
