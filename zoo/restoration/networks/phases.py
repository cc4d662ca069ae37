"""The last layer of networks that end in a sub-pixel convolution (Shi et al. 2016)."""

import keras
from keras import layers

SPREAD = 1e-3  # of the last weights at the beginning, so that a network begins as bicubic


def phases(scale: int, channels: int) -> layers.Layer:
    """Return a convolution of 3x3 that gives the s x s phases of an image."""
    return layers.Conv2D(
        scale * scale * channels,
        3,
        padding="same",
        kernel_initializer=keras.initializers.RandomNormal(stddev=SPREAD),
        name="larger",
    )
