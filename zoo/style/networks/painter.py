"""Paints pictures in a style: Johnson et al. 2016 (arXiv:1603.08155), narrow, and of any style.

Every normalisation has gain and shift by the style (Dumoulin et al. 2017, arXiv:1610.07629), which
is all that the style changes.
"""

import keras
from keras import KerasTensor, layers, ops

from zoo.style.config import StyleConfig
from zoo.style.networks.reflected import PhasedConv2D, ReflectedConv2D

EPSILON = 1e-5  # of variances
SPREAD = 0.03  # of weights that add something, and that let the style matter, at the beginning


class Painter(layers.Layer):
    """To a quarter of the size, residual blocks there, and back; added to the photograph itself.

    The photograph is added in the contrast and colours of the style, so that the network begins
    with what it shows, and has to learn brushwork alone.

    Args:
        config: of the model.

    Call arguments:
        image: intensities in [0, 1], `(B, H, W, 3)`, of 8 pixels a side at least.
        style: `(B, config.style)`.

    Returns:
        float32 `(B, H, W, 3)` in [0, 1].

    Example:
        >>> import numpy as np
        >>> painter = Painter(StyleConfig(width=4, blocks=1, style=5))
        >>> painter(np.ones((1, 9, 11, 3), np.float32), np.ones((1, 5), np.float32)).shape
        TensorShape([1, 9, 11, 3])
    """

    def __init__(self, config: StyleConfig, **kwargs):
        super().__init__(autocast=False, **kwargs)
        width, wide = config.width, 4 * config.width
        self.smaller = [
            Styled(width, 9, name="first"),
            Styled(2 * width, 3, stride=2, name="half"),
            Styled(wide, 3, stride=2, name="quarter"),
        ]
        self.blocks = [
            Styled(wide, 3, rectified=at % 2 == 0, name=f"block_{at // 2}_{at % 2}")
            for at in range(2 * config.blocks)
        ]
        self.larger = [Styled(2 * width, 3, name="half_again"), Styled(width, 3, name="whole")]
        self.palette = Normalisation(3, name="palette")
        spread = keras.initializers.RandomNormal(stddev=SPREAD)
        self.added = PhasedConv2D(3, 9, kernel_initializer=spread, name="added")

    def call(self, image: KerasTensor, style: KerasTensor) -> KerasTensor:
        features, style = image - 0.5, style[:, None, None]  # (B, 1, 1, S)
        recoloured = self.palette(features, style)
        for layer in self.smaller:
            features = layer(features, style)
        for first, second in zip(self.blocks[::2], self.blocks[1::2], strict=True):
            features = features + second(first(features, style), style)
        for layer in self.larger:
            features = layer(twice(features), style)
        added = ops.cast(self.added(features), "float32")  # a little larger, of some sizes
        added = ops.slice(added, (0, 0, 0, 0), ops.shape(recoloured))
        return ops.sigmoid(recoloured + added)


class Styled(layers.Layer):
    """A convolution, and a normalisation of each feature whose gain and shift are of the style.

    Args:
        channels, taps, stride: of the convolution.
        rectified: whether a ReLU follows.

    Call arguments:
        image: `(B, H, W, C)`.
        style: `(B, 1, 1, S)`.

    Returns:
        `(B, H / stride, W / stride, channels)`.
    """

    def __init__(self, channels: int, taps: int, stride: int = 1, rectified: bool = True, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.convolution = ReflectedConv2D(
            channels, taps, stride, use_bias=False, name="convolution"
        )
        self.normalisation = Normalisation(channels, name="normalisation")
        self.rectified = rectified

    def call(self, image: KerasTensor, style: KerasTensor) -> KerasTensor:
        features = self.normalisation(ops.cast(self.convolution(image), "float32"), style)
        features = ops.cast(features, self.compute_dtype)
        return ops.relu(features) if self.rectified else features


class Normalisation(layers.Layer):
    """Gives each feature of an image a mean and a spread that are of a style.

    Args:
        channels: of the image.

    Call arguments:
        features: float32 `(B, H, W, channels)`.
        style: `(B, 1, 1, S)`.
    """

    def __init__(self, channels: int, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        self.condition = Everywhere(
            2 * channels,
            kernel_initializer=keras.initializers.RandomNormal(stddev=SPREAD),
            dtype="float32",
            name="condition",
        )

    def call(self, features: KerasTensor, style: KerasTensor) -> KerasTensor:
        centred = features - ops.mean(features, axis=(1, 2), keepdims=True)
        spread = ops.mean(ops.square(centred), axis=(1, 2), keepdims=True)  # (B, 1, 1, C)
        gain, shift = self.condition(style)
        return centred * ((1 + gain) * ops.rsqrt(spread + EPSILON)) + shift


class Everywhere(layers.Dense):
    """A dense layer of one place, `(B, 1, 1, S)`, computed as the convolution that it is.

    So it is laid out in a graph as the convolutions are whose features it goes with.
    """

    def call(self, style: KerasTensor) -> KerasTensor:
        half = self.units // 2
        gain, shift = self.kernel[None, None, :, :half], self.kernel[None, None, :, half:]
        return ops.conv(style, gain) + self.bias[:half], ops.conv(style, shift) + self.bias[half:]


def twice(image: KerasTensor) -> KerasTensor:
    """Return an image of twice the height and width, each pixel four times: `(B, 2H, 2W, C)`.

    Example:
        >>> import numpy as np
        >>> twice(np.float32([[[[1], [2]]]]))[0, :, :, 0].numpy().tolist()
        [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]
    """
    return ops.depth_to_space(ops.concatenate([image] * 4, axis=-1), 2)
