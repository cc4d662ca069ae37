"""The networks of InfoGAN for digits (Chen et al. 2016, arXiv:1606.03657, appendix C.1).

A class is drawn with from the first layer on, and a dense layer looks at the whole image, so that a
class can come to be a shape, and not the weight of a stroke alone. The discriminator has batch
normalisation, without which it takes long to find a class in an image.
"""

import math
from typing import Any

from keras import KerasTensor, initializers, layers, ops

from zoo.gan.config import GANConfig

SLOPE = 0.1  # of the leaky rectifier below zero
STDDEV = 0.02  # of weights, as in Radford et al. (2016)
MOMENTUM = 0.9  # of the averages by which the discriminator is asked outside of training
FOUND = 128  # width of the layer from which classes and codes are read


class InfoGANGenerator(layers.Layer):
    """Maps latents `(B, D)` and one-hot classes to images `(B, H, W, C)` on [-1, 1]."""

    def __init__(self, config: GANConfig, **kwargs):
        super().__init__(**kwargs)
        height, width, colours = config.image_shape
        scale, widths = 2 ** len(config.channels), config.channels[::-1]  # coarsest first
        self.smallest = (height // scale, width // scale, widths[0])
        sizes = [*config.hidden, math.prod(self.smallest)]
        self.widen = [
            _dense(size, use_bias=False, name=f"dense_{at}") for at, size in enumerate(sizes)
        ]
        self.normalize = [_normalization(name=f"normalize_{at}") for at, _ in enumerate(sizes)]
        self.doublings = [
            _doubling(size, use_bias=False, name=f"double_{at}")
            for at, size in enumerate(widths[1:])
        ]
        self.normalize_doubled = [
            _normalization(name=f"normalize_doubled_{at}") for at, _ in enumerate(widths[1:])
        ]
        self.image = _doubling(colours, dtype="float32", name="image")

    def call(
        self, z: KerasTensor, condition: KerasTensor | None = None, training: bool = False
    ) -> KerasTensor:
        x = z if condition is None else ops.concatenate([z, condition], axis=-1)
        for widen, normalize in zip(self.widen, self.normalize, strict=True):
            x = ops.relu(normalize(widen(x), training=training))
        x = ops.reshape(x, (-1, *self.smallest))  # (B, h, w, channels)
        for double, normalize in zip(self.doublings, self.normalize_doubled, strict=True):
            x = ops.relu(normalize(double(x), training=training))
        return ops.tanh(self.image(x))  # (B, H, W, C)


class InfoGANTrunk(layers.Layer):
    """Maps images to features `(B, F)`: halved by convolutions, then seen whole."""

    def __init__(self, config: GANConfig, **kwargs):
        super().__init__(**kwargs)
        self.features = config.hidden[0]
        self.halvings = [
            layers.Conv2D(
                width,
                4,
                strides=2,
                padding="same",
                use_bias=not at,  # where no normalisation takes it away
                name=f"halve_{at}",
                **_initialized(),
            )
            for at, width in enumerate(config.channels)
        ]
        self.narrow = [
            _dense(size, use_bias=False, name=f"dense_{at}")
            for at, size in enumerate(reversed(config.hidden))
        ]
        after_first = [*self.halvings, *self.narrow][1:]
        self.normalize = [
            _normalization(name=f"normalize_{at}") for at, _ in enumerate(after_first)
        ]

    def call(self, image: KerasTensor, training: bool = False) -> KerasTensor:
        first, *others = self.halvings
        x, normalizations = ops.leaky_relu(first(image), SLOPE), iter(self.normalize)
        for halve in others:
            x = ops.leaky_relu(next(normalizations)(halve(x), training=training), SLOPE)
        x = layers.Flatten("channels_last")(x)
        for narrow in self.narrow:
            x = ops.leaky_relu(next(normalizations)(narrow(x), training=training), SLOPE)
        return x


class Finder(layers.Layer):
    """Maps features `(B, F)` to those that classes and codes are read from, `(B, FOUND)`."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dense = _dense(FOUND, use_bias=False, name="dense")
        self.normalize = _normalization(name="normalize")

    def call(self, features: KerasTensor, training: bool = False) -> KerasTensor:
        return ops.leaky_relu(self.normalize(self.dense(features), training=training), SLOPE)


def _initialized() -> dict[str, Any]:
    return {"kernel_initializer": initializers.RandomNormal(stddev=STDDEV)}


def _dense(width: int, **kwargs: Any) -> layers.Layer:
    return layers.Dense(width, **_initialized(), **kwargs)


def _doubling(width: int, **kwargs: Any) -> layers.Layer:
    return layers.Conv2DTranspose(width, 4, strides=2, padding="same", **_initialized(), **kwargs)


def _normalization(name: str) -> layers.Layer:
    return layers.BatchNormalization(momentum=MOMENTUM, synchronized=True, name=name)
