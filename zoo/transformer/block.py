"""One layer of the Transformer: attention, then a network for each token, each added to its input.

Both normalise what they read and add to what they read (pre-norm), so that the sum runs straight
from the embedding to the logits. Their last matrices begin smaller by the square root of how many
are added, and the sum then begins with the same variance at any depth.

References:
    Radford et al. 2019 (GPT-2), section 2.3; Xiong et al. 2020 (arXiv:2002.04745).
"""

import math

import keras
from keras import KerasTensor, initializers, layers, ops

from zoo.transformer.attention import Attention
from zoo.transformer.config import GPTConfig
from zoo.transformer.dropout import Dropout


class Block(layers.Layer):
    """`x + attention(norm(x))`, then `x + feed_forward(norm(x))`.

    Args:
        config: of the model.
        seeds: of the dropout.
        stddev: standard deviation of the initial weights.
    """

    def __init__(
        self, config: GPTConfig, seeds: keras.random.SeedGenerator, stddev: float, **kwargs
    ):
        super().__init__(**kwargs)
        last = stddev / math.sqrt(2 * config.layers)
        self.attention_norm = normalisation(config, "attention_norm")
        self.attention = Attention(config, stddev, last, seeds, name="attention")
        self.feed_forward_norm = normalisation(config, "feed_forward_norm")
        self.feed_forward = FeedForward(config, stddev, last, name="feed_forward")
        self.dropout = Dropout(config.dropout, seeds, name="dropout")

    def build(self, x_shape: tuple[int | None, ...]) -> None:
        for layer in (
            self.attention_norm,
            self.attention,
            self.feed_forward_norm,
            self.feed_forward,
        ):
            layer.build(x_shape)

    def call(
        self,
        x: KerasTensor,
        attention_bias: KerasTensor,
        rotary: tuple[KerasTensor, KerasTensor] | None = None,
        past: tuple[KerasTensor, KerasTensor] | None = None,
        slots: KerasTensor | None = None,
        relative: KerasTensor | None = None,
        training: bool = False,
    ) -> tuple[KerasTensor, tuple[KerasTensor, KerasTensor]]:
        attended, present = self.attention(
            self.attention_norm(x), attention_bias, rotary, past, slots, relative, training=training
        )
        x = x + self.dropout(attended, training=training)
        fed = self.feed_forward(self.feed_forward_norm(x))
        return x + self.dropout(fed, training=training), present


class FeedForward(layers.Layer):
    """`contract(gelu(expand(x)))`, or with a gate `contract(silu(gate(x)) * expand(x))`.

    Reference:
        Shazeer 2020 (arXiv:2002.05202).
    """

    def __init__(self, config: GPTConfig, stddev: float, last: float, **kwargs):
        super().__init__(**kwargs)
        self.gated = config.activation == "swiglu"
        # The tanh form is in bfloat16 half the cost of the exact one.
        self.approximate = config.activation == "gelu"
        self.hidden_width = config.hidden_width
        # Gate and expansion are one matrix, since one large product is faster than two.
        columns = self.hidden_width * (2 if self.gated else 1)
        self.expand = dense(columns, config, stddev, "expand")
        self.contract = dense(config.width, config, last, "contract")

    def build(self, x_shape: tuple[int | None, ...]) -> None:
        self.expand.build(x_shape)
        if self.gated:
            self.expand.kernel.parts = (self.hidden_width, self.hidden_width)
        self.contract.build((*x_shape[:-1], self.hidden_width))

    def call(self, x: KerasTensor) -> KerasTensor:
        x = self.expand(x)
        if self.gated:
            gate, x = ops.split(x, 2, axis=-1)
            # In float32, as the sigmoid of bfloat16 and of its gradient is several times slower.
            opened = ops.cast(ops.sigmoid(ops.cast(gate, "float32")), gate.dtype)
            return self.contract(gate * opened * x)
        return self.contract(ops.gelu(x, approximate=self.approximate))


def normalisation(config: GPTConfig, name: str) -> layers.Layer:
    """Return the normalisation that `config` names, which computes in float32 at least."""
    if config.normalisation == "rms":
        return layers.RMSNormalization(epsilon=config.epsilon, name=name)
    return layers.LayerNormalization(epsilon=config.epsilon, center=config.bias, name=name)


def dense(width: int, config: GPTConfig, stddev: float, name: str) -> layers.Dense:
    """Return a linear map of the feed-forward network, with normal initial weights."""
    return layers.Dense(
        width,
        use_bias=config.biased("feed_forward"),
        kernel_initializer=initializers.RandomNormal(stddev=stddev),
        name=name,
    )
