"""FSRCNN (Dong et al. 2016, "Accelerating the Super-Resolution Convolutional Neural Network")."""

import keras
import numpy as np
from keras import KerasTensor, layers, ops

from zoo.restoration.config import RestorationConfig
from zoo.restoration.networks.phases import SPREAD

TAPS = 9  # of the transposed convolution, each way
ALPHA = 0.25  # slope below 0 that PReLU begins with


class FSRCNN(layers.Layer):
    """Features, a narrow mapping of them, and a transposed convolution of 9x9.

    With `width` 56, `narrow` 12 and `depth` 4 it has the 12,464 weights of the paper's, and biases
    and slopes beside them. Unlike the paper's it adds to the bicubic enlargement.

    Call arguments and result are those of `zoo.restoration.networks`.

    Attributes:
        reach: how many pixels around one it looks at.

    Example:
        >>> FSRCNN(RestorationConfig(scale=3))(np.ones((1, 5, 6, 1), np.float32)).shape
        TensorShape([1, 5, 6, 9])
    """

    def __init__(self, config: RestorationConfig, **kwargs):
        super().__init__(**kwargs)
        sizes = [(config.width, 5), (config.narrow, 1), *[(config.narrow, 3)] * config.depth]
        self.convolutions = [
            layers.Conv2D(
                channels,
                taps,
                padding="same",
                kernel_initializer=keras.initializers.HeNormal(),
                name=f"convolution_{at}",
            )
            for at, (channels, taps) in enumerate([*sizes, (config.width, 1)])
        ]
        self.slopes = [
            layers.PReLU(keras.initializers.Constant(ALPHA), shared_axes=(1, 2), name=f"prelu_{at}")
            for at, _ in enumerate(self.convolutions)
        ]
        self.larger = PhasedDeconvolution(config.scale, config.channels, name="larger")
        self.reach = 2 + config.depth + self.larger.reach

    def call(self, image: KerasTensor) -> KerasTensor:
        features = image
        for convolution, slope in zip(self.convolutions, self.slopes, strict=True):
            features = slope(convolution(features))
        return self.larger(features)


class PhasedDeconvolution(layers.Layer):
    """A transposed convolution of 9x9 and stride s, which gives its s x s phases side by side.

    Each phase is an ordinary convolution with every s-th tap of the kernel (Shi et al. 2016,
    arXiv:1609.07009), at the size of the smaller image. `kernel` and `bias` are those of the
    transposed convolution.

    Args:
        scale: s.
        channels: of the result.

    Call arguments:
        features: `(B, H, W, F)`.

    Returns:
        `(B, H, W, s * s * channels)`.

    Attributes:
        reach: pixels of the smaller image on each side.
    """

    def __init__(self, scale: int, channels: int, **kwargs):
        super().__init__(**kwargs)
        self.scale, self.channels = scale, channels
        middle = TAPS // 2 - (scale - 1) // 2  # the tap that the first phase begins with
        self.reach = max(middle // scale, -(-(TAPS - scale - middle) // scale))
        offsets = np.arange(-self.reach, self.reach + 1)
        chosen = middle + np.arange(scale)[:, None] - scale * offsets  # (s, taps of a phase)
        # Beyond the kernel there are zeros, as a row that is added to it.
        self.chosen = np.where((chosen >= 0) & (chosen < TAPS), chosen, TAPS).ravel()

    def build(self, shape):
        spread = keras.initializers.RandomNormal(stddev=SPREAD)
        size = (TAPS, TAPS, self.channels, shape[-1])
        self.kernel = self.add_weight(shape=size, initializer=spread, name="kernel")
        self.bias = self.add_weight(shape=(self.channels,), initializer="zeros", name="bias")

    def call(self, features: KerasTensor) -> KerasTensor:
        bias = ops.tile(self.bias, (self.scale**2,))
        return ops.conv(features, self._phases(), padding="same") + bias

    def _phases(self) -> KerasTensor:
        """Return the kernel of all phases: `(taps, taps, F, s * s * channels)`."""
        scale, taps, features = self.scale, 2 * self.reach + 1, self.kernel.shape[-1]
        kernel = ops.pad(self.kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))
        kernel = ops.take(ops.take(kernel, self.chosen, axis=0), self.chosen, axis=1)
        kernel = ops.reshape(kernel, (scale, taps, scale, taps, self.channels, features))
        kernel = ops.transpose(kernel, (1, 3, 5, 0, 2, 4))  # (taps, taps, F, s, s, channels)
        return ops.reshape(kernel, (taps, taps, features, scale**2 * self.channels))
