"""Causal self-attention with grouped queries (Ainslie et al. 2023, arXiv:2305.13245)."""

import math

import keras
from keras import KerasTensor, initializers, layers, ops

from zoo.transformer import dropout
from zoo.transformer.cache import extended
from zoo.transformer.config import GPTConfig
from zoo.transformer.positions.relative import RelativePositions
from zoo.transformer.positions.rotary import rotated


class Attention(layers.Layer):
    """Lets each token take from those before it.

    Args:
        config: of the model.
        stddev, last: standard deviation of the initial weights of the first and the last matrix.
        seeds: of the dropout.

    Call arguments:
        x: `(B, T, W)`.
        attention_bias: added to the scores, `(B, 1, G T, S + T)` or 1 for B: very negative for what
            a token must not see; the same for each of the G query heads that share a key head.
        rotary: cosine and sine of the rotary angles, `(B, 1, T, R / 2)` or 1 for B.
        past: keys and values `(B, kv_heads, S, head_size)` of the tokens before.
        slots: where the new keys and values are written into `past`, see
            `zoo.transformer.cache.slots_of`; None for a past that grows by them.
        relative: what is learned of how far apart two tokens are, added to the scores as well:
            `(1, kv_heads, G T, S + T)`.
        training: whether to drop some of what a token takes from others.

    Returns:
        `(B, T, W)`, and the keys and values of all S + T tokens; with `slots`, of the S there is
        room for, and `attention_bias` then is `(B, 1, G T, S)`.
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
        self.heads, self.kv_heads = config.heads, config.key_value_heads
        self.head_size = config.head_size
        # Queries, keys and values by one matrix: one large product is faster than three.
        self.project = layers.Dense(
            (self.heads + 2 * self.kv_heads) * self.head_size,
            use_bias=config.biased("inputs"),
            kernel_initializer=initializers.RandomNormal(stddev=stddev),
            name="project",
        )
        self.merge = layers.Dense(
            config.width,
            use_bias=config.biased("output"),
            kernel_initializer=initializers.RandomNormal(stddev=last),
            name="merge",
        )
        self.query_norm = self.key_norm = None
        if config.query_key_norm:
            self.query_norm, self.key_norm = (
                layers.RMSNormalization(epsilon=config.epsilon, name=f"{each}_norm")
                for each in ("query", "key")
            )

        self.relative = None
        if config.positions == "relative":
            self.relative = RelativePositions(
                self.kv_heads,
                config.reach or config.context,
                self.head_size,
                ahead=not config.causal,
                stddev=stddev,
                name="relative_embedding",
            )

    def build(self, x_shape: tuple[int | None, ...]) -> None:
        self.project.build(x_shape)
        if self.relative is not None:
            self.relative.build((None, self.kv_heads, None, None, self.head_size))
        kinds = (self.heads, self.kv_heads, self.kv_heads)
        self.project.kernel.parts = tuple(count * self.head_size for count in kinds)
        self.merge.build((*x_shape[:-1], self.heads * self.head_size))
        for norm in (self.query_norm, self.key_norm):
            if norm is not None:
                norm.build((None, None, None, self.head_size))

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
        length = ops.shape(x)[1]
        heads, kv_heads, size = self.heads, self.kv_heads, self.head_size
        projected = ops.reshape(self.project(x), (-1, length, heads + 2 * kv_heads, size))
        projected = ops.transpose(projected, (0, 2, 1, 3))  # (B, heads + 2 kv_heads, T, D)
        ends = (heads, heads + kv_heads)
        if slots is None:
            # Not sliced: the gradient of three slices is three tensors of the size of all.
            query, key, value = ops.split(projected, ends, axis=1)
        else:
            # Not split: into unequal parts, that cannot be recorded as a CUDA graph.
            query, key = projected[:, : ends[0]], projected[:, ends[0] : ends[1]]
            value = projected[:, ends[1] :]
        if self.query_norm is not None:
            query, key = self.query_norm(query), self.key_norm(key)
        if rotary is not None:
            query, key = rotated(query, rotary), rotated(key, rotary)
        if past is not None:
            key = extended(past[0], key, slots)  # (B, kv_heads, S + T or S, D)
            value = extended(past[1], value, slots)
        # The query heads of a group lie side by side as rows of one product with their key head.
        rows = heads // kv_heads * length  # G T
        query = ops.reshape(query * (1 / math.sqrt(size)), (-1, kv_heads, rows, size))
        if self.relative is not None:
            grouped = ops.reshape(query, (-1, kv_heads, heads // kv_heads, length, size))
            relative = self.relative(grouped, keys=ops.shape(key)[2])  # (B, kv_heads, G T, S + T)
        dropout_mask = None
        if training and self.rate:
            shape = (kv_heads, rows, ops.shape(key)[2])
            # (B, kv_heads, G T, S + T)
            dropout_mask = dropout.mask(x, shape, self.rate, self.seeds)
        # (B, kv_heads, G T, D)
        mixed = attend(query, key, value, attention_bias, dropout_mask, relative)
        mixed = ops.reshape(mixed, (-1, heads, length, size))
        mixed = ops.transpose(mixed, (0, 2, 1, 3))  # (B, T, heads, D)
        return self.merge(ops.reshape(mixed, (-1, length, heads * size))), (key, value)


def attend(
    query: KerasTensor,
    key: KerasTensor,
    value: KerasTensor,
    attention_bias: KerasTensor,
    dropout_mask: KerasTensor | None = None,
    relative: KerasTensor | None = None,
) -> KerasTensor:
    """Return the mean of `value` that each query takes, `(B, K, Q, D)`.

    Args:
        query: `(B, K, Q, D)`.
        key, value: `(B, K, S, D)`.
        attention_bias: added to the scores, `(B or 1, 1, Q, S)`; it has no gradient.
        dropout_mask: a factor for each weight, `(B, K, Q, S)`; it has no gradient.
        relative: added to the scores too, `(B or 1, K, Q, S)`; it has one.

    The gradient of the softmax needs, for each query, the sum over tokens of weight times gradient.
    That is also the sum over D of result times gradient, of far fewer numbers (Dao et al. 2022,
    arXiv:2205.14135, appendix B.2).
    """

    def forward(query: KerasTensor, key: KerasTensor, value: KerasTensor, *relative: KerasTensor):
        scores = ops.matmul(query, _transposed(key))  # (B, K, Q, S)
        for learned in relative:
            scores = scores + ops.cast(learned, scores.dtype)
        # Not cast to float32, in which oneDNN and CUDA sum anyway: it would cost a fifth of a step.
        weights = ops.softmax(scores + ops.cast(attention_bias, scores.dtype))
        left = weights if dropout_mask is None else weights * dropout_mask
        mixed = ops.matmul(left, value)  # (B, K, Q, D)

        def backward(
            *gradient: KerasTensor, upstream: KerasTensor | None = None
        ) -> tuple[KerasTensor, ...]:
            of_mixed = gradient[0] if upstream is None else upstream
            product = ops.cast(of_mixed, "float32") * ops.cast(mixed, "float32")
            mean = ops.sum(product, axis=-1, keepdims=True)  # (B, K, Q, 1)
            of_weights = ops.matmul(of_mixed, _transposed(value))  # (B, K, Q, S)
            of_weights = of_weights if dropout_mask is None else of_weights * dropout_mask
            of_scores = weights * (of_weights - ops.cast(mean, value.dtype))
            return (
                ops.matmul(of_scores, key),
                _transposed(ops.matmul(_transposed(query), of_scores)),
                _transposed(ops.matmul(_transposed(of_mixed), left)),
                *(_of_rows(of_scores, learned) for learned in relative),
            )

        return mixed, backward

    learned = () if relative is None else (relative,)
    return ops.custom_gradient(forward)(query, key, value, *learned)


def _of_rows(gradient: KerasTensor, learned: KerasTensor) -> KerasTensor:
    """Return a gradient `(B, K, Q, S)` of what is added to each row, or to all of a batch alike."""
    if learned.shape[0] != 1:
        return ops.cast(gradient, learned.dtype)
    total = ops.sum(ops.cast(gradient, "float32"), axis=0, keepdims=True)  # (1, K, Q, S)
    return ops.cast(total, learned.dtype)


def _transposed(x: KerasTensor) -> KerasTensor:
    """Transpose matrices: `(B, K, S, D)` -> `(B, K, D, S)`."""
    return ops.transpose(x, (0, 1, 3, 2))
