"""What a trained network sees of pictures: by this, painters are judged in training.

Content is what deep features are like, place by place (Gatys et al. 2016, "Image Style Transfer
Using Convolutional Neural Networks"); style is how large each feature is and how much it varies,
wherever it is (Huang and Belongie 2017, arXiv:1703.06868), colours among them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from keras import KerasTensor, ops
from PIL import Image

from zoo.style import vgg16

CONTENT = 2  # of the layers that are looked at, the one in which places are compared
FLOOR = 0.1  # of what features are divided by, as a share of the mean over all of a layer
_RANDOM = (8, 12, 16, 16)  # channels
_MEANS = (104.00699, 116.66877, 122.67892)  # of blue, green and red, 0..255
_NOISE, _SIDE = 16, 128  # pictures that features are measured on, and their pixels


@dataclass(frozen=True)
class Layer:
    """A convolution of 3x3 and a ReLU.

    Attributes:
        kernel: `(3, 3, C_in, C_out)`.
        bias: `(C_out,)`.
        pools: halve the size before it.
        seen: look at its features.
    """

    kernel: np.ndarray
    bias: np.ndarray
    pools: bool
    seen: bool


class Perception:
    """Features of pictures in some layers of a network.

    Each feature is divided by its root mean square over pictures of noise, so that none outweighs
    the others. It is no layer of Keras: no model that it judges holds its weights.

    Args:
        layers: of the network, in their order.

    Example:
        >>> found = perception("random")(np.zeros((1, 16, 24, 3), np.float32))
        >>> [each.shape for each in found][:2]
        [TensorShape([1, 16, 24, 8]), TensorShape([1, 8, 12, 12])]
    """

    def __init__(self, layers: Sequence[Layer]):
        self.layers = tuple(layers)
        self.scales = [np.float32(1)] * sum(layer.seen for layer in layers)
        sizes = [_root_mean_square(each) for each in self(noise(_NOISE, _SIDE))]
        self.scales = [each + FLOOR * each.mean() for each in sizes]

    @property
    def channels(self) -> list[int]:
        """Channels of each layer that is looked at."""
        return [layer.kernel.shape[-1] for layer in self.layers if layer.seen]

    def __call__(
        self, image: KerasTensor, dtype: str = "float32", count: int | None = None
    ) -> list[KerasTensor]:
        """Return the features of images.

        Args:
            image: intensities in [0, 1], `(B, H, W, 3)`.
            dtype: to compute in.
            count: of how many layers; of all unless given.

        Returns:
            `(B, h, w, C)` of each, in the dtype.
        """
        levels = ops.cast(image, "float32")[..., ::-1] * 255 - np.float32(_MEANS)
        values, found = ops.cast(levels, dtype), []
        for layer in self.layers:
            if layer.pools:
                values = ops.max_pool(values, 2, padding="same")
            values = ops.conv(values, ops.cast(layer.kernel, dtype), padding="same")
            values = ops.relu(values + ops.cast(layer.bias, dtype))
            if layer.seen:
                found.append(values * ops.cast(1 / self.scales[len(found)], dtype))
                if len(found) == count:
                    break
        return found


@cache
def perception(features: str) -> Perception:
    """Return the network that `model.features` names; first called outside of any graph.

    Raises:
        GenzooError: its weights are not installed, or are not those that are meant.
    """
    return Perception(_random() if features == "random" else _vgg16())


def _vgg16() -> list[Layer]:
    found = vgg16.convolutions().items()
    return [
        Layer(kernel, bias, pools=name[-2:] == "_1" and name != "conv1_1", seen=name in vgg16.SEEN)
        for name, (kernel, bias) in found
    ]


def _random() -> list[Layer]:
    """Return a network of random weights (He et al. 2016, arXiv:1606.04801), always the same."""
    random, layers, given = np.random.RandomState(0), [], 3
    for at, channels in enumerate(_RANDOM):
        kernel = random.normal(0, np.sqrt(2 / (9 * given)), (3, 3, given, channels))
        bias = np.zeros(channels, np.float32)
        layers.append(Layer(kernel.astype(np.float32), bias, pools=at > 0, seen=True))
        given = channels
    return layers


def noise(count: int, side: int) -> np.ndarray:
    """Return pictures of noise, as strong in large things as in small ones, like photographs.

    Args:
        count: of them.
        side: in pixels.

    Returns:
        float32 `(count, side, side, 3)` in [0, 1], the same each time.
    """
    random, sum_of_all = np.random.RandomState(0), np.zeros((count, side, side, 3))
    size = 1
    while size <= side:
        grey = random.normal(size=(count, size, size, 1))
        drawn = grey + 0.5 * random.normal(size=(count, size, size, 3))
        for picture, small in zip(sum_of_all, drawn.astype(np.float32), strict=True):
            for channel in range(3):
                plane = Image.fromarray(np.ascontiguousarray(small[..., channel]))
                picture[..., channel] += plane.resize((side, side), Image.Resampling.BICUBIC)
        size *= 2
    return np.clip(0.5 + 0.12 * sum_of_all, 0, 1).astype(np.float32)


def _root_mean_square(features: KerasTensor) -> np.ndarray:
    return np.sqrt(np.square(np.asarray(features)).mean(axis=(0, 1, 2)))
