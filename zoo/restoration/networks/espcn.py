"""ESPCN (Shi et al. 2016, arXiv:1609.05158), from whom the sub-pixel convolution comes."""

from keras import KerasTensor, layers

from zoo.restoration.config import RestorationConfig
from zoo.restoration.networks.phases import phases


class ESPCN(layers.Layer):
    """Two convolutions with hyperbolic tangents, and one that gives the phases.

    With `width` 64 and `narrow` 32 it is the paper's, but for the bicubic enlargement that it adds
    to. Call arguments and result are those of `zoo.restoration.networks`.

    Attributes:
        reach: how many pixels around one it looks at.

    Example:
        >>> import numpy as np
        >>> network = ESPCN(RestorationConfig(scale=3, width=64, narrow=32))
        >>> network(np.ones((1, 5, 6, 1), np.float32)).shape
        TensorShape([1, 5, 6, 9])
    """

    reach = 4

    def __init__(self, config: RestorationConfig, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Conv2D(config.width, 5, padding="same", activation="tanh", name="first")
        self.second = layers.Conv2D(
            config.narrow, 3, padding="same", activation="tanh", name="second"
        )
        self.larger = phases(config.scale, config.channels)

    def call(self, image: KerasTensor) -> KerasTensor:
        return self.larger(self.second(self.first(image)))
