"""Finds the style of a picture (after Ghiasi et al. 2017, arXiv:1705.06830, but small)."""

import keras
from keras import KerasTensor, layers, ops

from zoo.style.config import StyleConfig
from zoo.style.networks.reflected import ReflectedConv2D

EPSILON = 1e-5  # of variances
COLOURS = 4.0  # what intensities are scaled by, so that their spread is about 1


class Predictor(layers.Layer):
    """Strided convolutions, and a style out of mean and spread of colours and of all features.

    So it sees fine texture and large forms alike, and whatever the size of the picture.

    Args:
        config: of the model.

    Call arguments:
        image: intensities in [0, 1], `(B, H, W, 3)`, of 32 pixels a side at least.

    Returns:
        float32 `(B, config.style)`.

    Example:
        >>> import numpy as np
        >>> Predictor(StyleConfig(style=7))(np.ones((2, 40, 32, 3), np.float32)).shape
        TensorShape([2, 7])
    """

    def __init__(self, config: StyleConfig, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.convolutions = [
            ReflectedConv2D(
                channels,
                3,
                2,
                activation="relu",
                kernel_initializer=keras.initializers.HeNormal(),
                name=f"convolution_{at}",
            )
            for at, channels in enumerate(config.predictor)
        ]
        self.style = layers.Dense(config.style, dtype="float32", name="style")

    def call(self, image: KerasTensor) -> KerasTensor:
        features = (image - 0.5) * COLOURS
        found = _mean_and_spread(features)
        for convolution in self.convolutions:
            features = convolution(features)
            found += _mean_and_spread(ops.cast(features, "float32"))
        return self.style(ops.concatenate(found, axis=-1))


def _mean_and_spread(features: KerasTensor) -> list[KerasTensor]:
    """Return two of `(B, C)` for `(B, H, W, C)`."""
    mean = ops.mean(features, axis=(1, 2), keepdims=True)
    variance = ops.mean(ops.square(features - mean), axis=(1, 2))
    return [mean[:, 0, 0], ops.sqrt(variance + EPSILON)]
