"""One layer of the decoder: a Transformer's, which also looks at the source."""

import math

import keras
from keras import KerasTensor

from zoo.transformer.block import Block, normalisation
from zoo.transformer.config import GPTConfig
from zoo.translation.layers.cross_attention import CrossAttention, Pair


class DecoderBlock(Block):
    """`x + attention(norm(x))`, `x + cross_attention(norm(x))`, `x + feed_forward(norm(x))`.

    Args:
        config: of the layers.
        seeds: of the dropout.
        stddev: standard deviation of the initial weights.
    """

    def __init__(
        self, config: GPTConfig, seeds: keras.random.SeedGenerator, stddev: float, **kwargs
    ):
        super().__init__(config, seeds, stddev, **kwargs)
        last = stddev / math.sqrt(2 * config.layers)
        self.cross_norm = normalisation(config, "cross_norm")
        # An exporter knows attention by what a layer's name begins with.
        self.cross_attention = CrossAttention(config, stddev, last, seeds, name="attention_across")

    def build(self, x_shape: tuple[int | None, ...]) -> None:
        super().build(x_shape)
        self.cross_norm.build(x_shape)
        self.cross_attention.build(x_shape)

    def call(
        self,
        x: KerasTensor,
        states: KerasTensor,
        own_bias: KerasTensor,
        cross_bias: KerasTensor,
        rotary: Pair | None = None,
        past: tuple[KerasTensor, ...] | None = None,
        relative: KerasTensor | None = None,
        training: bool = False,
    ) -> tuple[KerasTensor, tuple[KerasTensor, ...]]:
        """Return `(B, T, W)` and keys and values, of what is written and of the source."""
        own, cross = (None, None) if past is None else (past[:2], past[2:])
        attended, present = self.attention(
            self.attention_norm(x), own_bias, rotary, own, None, relative, training=training
        )
        x = x + self.dropout(attended, training=training)
        attended, of_source = self.cross_attention(
            self.cross_norm(x), states, cross_bias, cross, training=training
        )
        x = x + self.dropout(attended, training=training)
        fed = self.feed_forward(self.feed_forward_norm(x))
        return x + self.dropout(fed, training=training), (*present, *of_source)
