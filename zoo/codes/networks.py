"""The two networks of a tokenizer of images, in `keras.ops` alone, and so on any backend."""

from keras import KerasTensor, initializers, layers, ops

from zoo.codes.config import CodesConfig


class Encoder(layers.Layer):
    """Halves images `(B, H, W, C)` a few times: `(B, rows, columns, D)`."""

    def __init__(self, config: CodesConfig, **kwargs):
        super().__init__(**kwargs)
        self.stages = []
        for level, width in enumerate(config.channels):
            halve = layers.Conv2D(width, 4, strides=2, padding="same", name=f"halve_{level}")
            self.stages += [halve, *_blocks(config, width, f"level_{level}")]
        # Which code a number is next to takes more than half precision.
        self.last = layers.Conv2D(config.coordinates, 1, dtype="float32", name="last")

    def call(self, image: KerasTensor) -> KerasTensor:
        x = image
        for stage in self.stages:
            x = stage(x)
        return self.last(ops.relu(x))


class Decoder(layers.Layer):
    """Doubles `(B, rows, columns, D)` as often: images `(B, H, W, C)`, in [0, 1] or near it."""

    def __init__(self, config: CodesConfig, **kwargs):
        super().__init__(**kwargs)
        widths, colours = config.channels[::-1], config.image_shape[-1]  # coarsest first
        # The middle code stands for zeros, from which no rectifier would pass on a gradient.
        away = initializers.RandomNormal(stddev=0.1)
        self.stages = [
            layers.Conv2D(widths[0], 3, padding="same", bias_initializer=away, name="first")
        ]
        for level, (width, finer) in enumerate(zip(widths, [*widths[1:], colours], strict=True)):
            double = Double(finer, name=f"double_{level}")
            self.stages += [*_blocks(config, width, f"level_{level}"), double]

    def call(self, x: KerasTensor) -> KerasTensor:
        for stage in self.stages:
            x = stage(x)
        return x


class Double(layers.Layer):
    """Makes four places of each: `(B, h, w, before)` -> `(B, 2 h, 2 w, after)`."""

    def __init__(self, after: int, **kwargs):
        super().__init__(**kwargs)
        self.convolve = layers.Conv2D(4 * after, 3, padding="same", name="convolve")

    def call(self, x: KerasTensor) -> KerasTensor:
        return ops.depth_to_space(self.convolve(ops.relu(x)), 2)


class ResidualBlock(layers.Layer):
    """`x + mix(activate(convolve(activate(x))))`, as in van den Oord et al. 2017."""

    def __init__(self, width: int, **kwargs):
        super().__init__(**kwargs)
        self.convolve = layers.Conv2D(width, 3, padding="same", name="convolve")
        self.mix = layers.Conv2D(width, 1, name="mix")

    def call(self, x: KerasTensor) -> KerasTensor:
        return x + self.mix(ops.relu(self.convolve(ops.relu(x))))


def _blocks(config: CodesConfig, width: int, name: str) -> list[ResidualBlock]:
    return [ResidualBlock(width, name=f"{name}_block_{index}") for index in range(config.blocks)]
