"""The diffusion Transformer (Peebles and Xie 2023, DiT, arXiv:2212.09748).

It is in `keras.ops` alone, and so on any backend of Keras.
"""

import math

import keras
from keras import KerasTensor, initializers, layers, ops

from zoo.flow.config import FlowConfig
from zoo.transformer.attention import Attention
from zoo.transformer.block import FeedForward

STDDEV = 0.02
FREQUENCIES, FASTEST = 64, 1000.0  # of the sines that a time is told by


class DiffusionTransformer(layers.Layer):
    """Sees patches of a noisy image as tokens, and says of each pixel how fast it should change.

    Args:
        config: of the model.

    Call arguments:
        image: `(B, H, W, C)`, on [-1, 1] where it is no noise.
        time: float32 `(B,)`, 0 for noise to 1 for an image.
        labels: int `(B,)`, 0 to `classes`, which stands for no label; None of a model without.

    Returns:
        `(B, H, W, C)`.
    """

    def __init__(self, config: FlowConfig, **kwargs):
        super().__init__(autocast=False, **kwargs)  # a time has no room in 16 bits
        self.config = config
        normal = initializers.RandomNormal(stddev=STDDEV)
        size = config.patch
        self.embed = layers.Conv2D(config.width, size, strides=size, name="embed")
        self.time = [
            layers.Dense(config.width, activation="silu", name="time_1"),
            layers.Dense(config.width, name="time_2"),
        ]
        self.label = None
        if config.classes:
            self.label = layers.Embedding(config.classes + 1, config.width, normal, name="label")
        self.blocks = [AdaptiveBlock(config, name=f"block_{at}") for at in range(config.layers)]
        self.norm = Modulated(config, parts=2, name="norm")
        values = size * size * config.image_shape[-1]
        self.predict = layers.Dense(values, kernel_initializer="zeros", name="predict")

    def build(self, image_shape: tuple[int | None, ...]) -> None:
        self.place = self.add_weight(
            (self.config.tokens, self.config.width),
            initializers.RandomNormal(stddev=STDDEV),
            name="place",
        )

    def call(
        self, image: KerasTensor, time: KerasTensor, labels: KerasTensor | None = None
    ) -> KerasTensor:
        height, width, _ = self.config.image_shape
        rows, columns = height // self.config.patch, width // self.config.patch
        x = ops.reshape(self.embed(image), (-1, self.config.tokens, self.config.width))
        x = x + ops.cast(self.place, x.dtype)  # (B, T, W)
        condition = self._condition(time, labels)  # (B, W)
        for block in self.blocks:
            x = block(x, condition)
        x, _ = self.norm(x, condition)
        x = ops.reshape(self.predict(x), (-1, rows, columns, self.predict.units))
        return ops.depth_to_space(x, self.config.patch)  # (B, H, W, C)

    def _condition(self, time: KerasTensor, labels: KerasTensor | None) -> KerasTensor:
        """Return what all tokens are told, `(B, W)`: how much is noise, and of what class it is."""
        speeds = ops.exp(ops.arange(FREQUENCIES, dtype="float32") * (-math.log(1e4) / FREQUENCIES))
        angles = ops.expand_dims(time, -1) * FASTEST * speeds  # (B, F)
        told = ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)
        for layer in self.time:
            told = layer(told)
        if self.label is not None:
            told = told + self.label(labels)
        return ops.silu(told)


class AdaptiveBlock(layers.Layer):
    """A layer of the Transformer whose normalisations and branches the condition scales.

    All branches begin closed, so that the network begins as the identity (adaLN-Zero).
    """

    def __init__(self, config: FlowConfig, **kwargs):
        super().__init__(**kwargs)
        sizes = config.transformer
        last, seeds = STDDEV / math.sqrt(2 * config.layers), keras.random.SeedGenerator(0)
        self.attention_norm = Modulated(config, parts=3, name="attention_norm")
        self.attention = Attention(sizes, STDDEV, last, seeds, name="attention")
        self.feed_forward_norm = Modulated(config, parts=3, name="feed_forward_norm")
        self.feed_forward = FeedForward(sizes, STDDEV, last, name="feed_forward")

    def call(self, x: KerasTensor, condition: KerasTensor) -> KerasTensor:
        read, gate = self.attention_norm(x, condition)
        all_see_all = ops.zeros((1, 1, 1, 1), "float32")
        x = x + gate * self.attention(read, all_see_all)[0]
        read, gate = self.feed_forward_norm(x, condition)
        return x + gate * self.feed_forward(read)


class Modulated(layers.Layer):
    """Normalises tokens, then shifts and scales them by a condition; with 3 parts gates too.

    Call arguments:
        x: `(B, T, W)`.
        condition: `(B, W)`.

    Returns:
        `(B, T, W)`, and the gate `(B, 1, W)`, None with 2 parts.
    """

    def __init__(self, config: FlowConfig, parts: int, **kwargs):
        super().__init__(**kwargs)
        self.parts, self.width = parts, config.width
        self.norm = layers.LayerNormalization(epsilon=1e-6, center=False, scale=False, name="norm")
        self.adapt = layers.Dense(parts * config.width, kernel_initializer="zeros", name="adapt")

    def build(
        self, x_shape: tuple[int | None, ...], condition_shape: tuple[int | None, ...]
    ) -> None:
        self.norm.build(x_shape)
        self.adapt.build(condition_shape)
        self.adapt.kernel.parts = (self.width,) * self.parts  # for `Muon`

    def call(
        self, x: KerasTensor, condition: KerasTensor
    ) -> tuple[KerasTensor, KerasTensor | None]:
        told = ops.reshape(self.adapt(condition), (-1, 1, self.parts * self.width))
        shift, scale, *gate = ops.split(told, self.parts, axis=-1)  # (B, 1, W) each
        return self.norm(x) * (1 + scale) + shift, gate[0] if gate else None
