"""Attention of what is written to the source, whose keys and values are made once."""

import math

import keras
from keras import KerasTensor, initializers, layers, ops

from zoo.transformer import dropout
from zoo.transformer.attention import attend
from zoo.transformer.cache import extended
from zoo.transformer.config import GPTConfig

Pair = tuple[KerasTensor, KerasTensor]


class CrossAttention(layers.Layer):
    """Lets each token of the target take from the tokens of the source.

    Args:
        config: of the layers.
        stddev, last: standard deviation of the initial weights of the first and the last matrix.
        seeds: of the dropout.

    Call arguments:
        x: `(B, T, W)`.
        states: of the source, those that are not in `past`: `(B, S - L, W)`.
        attention_bias: added to the scores, `(B, 1, T or 1, S)`.
        past: keys and values `(B, heads, L, D)` of the first L states; L is 0 at first, and S
            later.
        training: whether to drop some of what a token takes from others.

    Returns:
        `(B, T, W)`, and the keys and values of all S states.
    """

    def __init__(
        self,
        config: GPTConfig,
        stddev: float,
        last: float,
        seeds: keras.random.SeedGenerator,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.rate, self.seeds = config.attention_dropout, seeds
        self.heads, self.size = config.heads, config.head_size

        def dense(width: int, name: str, stddev: float) -> layers.Dense:
            initial = initializers.RandomNormal(stddev=stddev)
            return layers.Dense(width, use_bias=config.bias, kernel_initializer=initial, name=name)

        self.query = dense(self.heads * self.size, "query", stddev)
        self.key_value = dense(2 * self.heads * self.size, "key_value", stddev)
        self.merge = dense(config.width, "merge", last)

    def build(self, x_shape: tuple[int | None, ...]) -> None:
        self.query.build(x_shape)
        self.key_value.build(x_shape)
        self.key_value.kernel.parts = (self.heads * self.size,) * 2
        self.merge.build((*x_shape[:-1], self.heads * self.size))

    def call(
        self,
        x: KerasTensor,
        states: KerasTensor,
        attention_bias: KerasTensor,
        past: Pair | None = None,
        training: bool = False,
    ) -> tuple[KerasTensor, Pair]:
        length = ops.shape(x)[1]
        query = ops.reshape(self.query(x), (-1, length, self.heads, self.size))
        query = ops.transpose(query, (0, 2, 1, 3)) * (1 / math.sqrt(self.size))  # (B, heads, T, D)
        key, value = self._keys_and_values(states, past)
        mask = None
        if training and self.rate:
            shape = (self.heads, length, ops.shape(key)[2])
            mask = dropout.mask(x, shape, self.rate, self.seeds)  # (B, heads, T, S)
        mixed = attend(query, key, value, attention_bias, mask)  # (B, heads, T, D)
        mixed = ops.transpose(mixed, (0, 2, 1, 3))  # (B, T, heads, D)
        return self.merge(ops.reshape(mixed, (-1, length, self.heads * self.size))), (key, value)

    def _keys_and_values(self, states: KerasTensor, past: Pair | None) -> Pair:
        """Return keys and values `(B, heads, S, D)`, those of the past as they are."""
        made = self.key_value(states)
        # Of no states the batch cannot be inferred, and the length can.
        made = ops.reshape(made, (ops.shape(made)[0], -1, 2 * self.heads, self.size))
        made = ops.transpose(made, (0, 2, 1, 3))  # (B, 2 heads, S - L, D)
        key, value = ops.split(made, 2, axis=1)
        if past is None:
            return key, value
        return extended(past[0], key, None), extended(past[1], value, None)
