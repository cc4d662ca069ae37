"""A U-Net (Ronneberger et al. 2015, arXiv:1505.04597) of residual blocks that knows its task."""

import keras
from keras import KerasTensor, layers, ops

from zoo.repair.config import RepairConfig

GAIN = 0.1  # of what a block adds at the beginning
SPREAD = 1e-3  # of the last weights at the beginning, so that a network begins by changing nothing


class UNet(layers.Layer):
    """Maps images, masks and tasks to what is said of each pixel.

    Convolutions of 2x2 and stride 2 halve, sub-pixel convolutions double, and what comes up is
    added to what went down. As in EDSR nothing is normalised, so that a piece of a photograph comes
    out as it does in the whole one.

    Args:
        config: of the model.

    Call arguments:
        seen: `(B, H, W, C)`, H and W being multiples of `config.multiple`.
        task: one-hot `(B, tasks)`.

    Returns:
        `(B, H, W, 3)`.

    Attributes:
        reach: how many pixels around one it looks at, at most.

    Example:
        >>> import numpy as np
        >>> network = UNet(RepairConfig(channels=(4, 8), depth=1))
        >>> seen, task = np.ones((1, 6, 8, 4), np.float32), np.eye(4, dtype=np.float32)[:1]
        >>> network(seen, task).shape, network.reach
        (TensorShape([1, 6, 8, 3]), 12)
    """

    def __init__(self, config: RepairConfig, **kwargs):
        super().__init__(**kwargs)
        finest, *others = config.channels
        levels = range(len(others))
        self.first = layers.Conv2D(finest, 3, padding="same", name="first")
        self.down = [Block(config.channels[at], name=f"down_{at}") for at in levels]
        self.halve = [
            layers.Conv2D(wide, 2, strides=2, name=f"halve_{at}") for at, wide in enumerate(others)
        ]
        self.bottom = [
            Block(config.channels[-1], name=f"bottom_{at}") for at in range(config.depth)
        ]
        self.double = [
            layers.Conv2D(4 * config.channels[at], 1, name=f"double_{at}") for at in levels
        ]
        self.up = [Block(config.channels[at], name=f"up_{at}") for at in levels]
        self.last = layers.Conv2D(
            3,
            3,
            padding="same",
            kernel_initializer=keras.initializers.RandomNormal(stddev=SPREAD),
            dtype="float32",
            name="last",
        )
        # Two convolutions down and two up at each level, and the first and the last; the pixels of
        # a coarser level are those of which one is within reach.
        convolutions = sum(4 * 2**at for at in levels) + 2 * config.depth * config.multiple + 2
        self.reach = convolutions + 2 * (config.multiple - 1)

    def call(self, seen: KerasTensor, task: KerasTensor) -> KerasTensor:
        features = self.first(seen)
        kept = []
        for block, halve in zip(self.down, self.halve, strict=True):
            kept.append(block(features, task))
            features = halve(kept[-1])
        for block in self.bottom:
            features = block(features, task)
        for block, double, finer in list(zip(self.up, self.double, kept, strict=True))[::-1]:
            features = block(finer + ops.depth_to_space(double(features), 2), task)
        return self.last(features)


class Block(layers.Layer):
    """Adds to features `(B, H, W, C)` what two convolutions make of them, which the task shifts."""

    def __init__(self, width: int, **kwargs):
        super().__init__(**kwargs)
        self.first = layers.Conv2D(width, 3, padding="same", use_bias=False, name="first")
        self.shift = layers.Dense(width, name="shift")
        self.second = layers.Conv2D(
            width,
            3,
            padding="same",
            kernel_initializer=keras.initializers.VarianceScaling(GAIN**2),
            name="second",
        )

    def call(self, features: KerasTensor, task: KerasTensor) -> KerasTensor:
        shift = ops.reshape(self.shift(task), (-1, 1, 1, self.shift.units))  # (B, 1, 1, C)
        return features + self.second(ops.relu(self.first(features) + shift))
