"""The network of a Transformer: embeddings, blocks, logits; on any backend of Keras.

What is learned with it, and how, is said by the models that derive from it.
"""

from typing import Any

import keras
from keras import KerasTensor, initializers, layers, ops

from zoo.training import replicas
from zoo.training.built import BuiltModel
from zoo.transformer.block import Block, normalisation
from zoo.transformer.cache import slots_of
from zoo.transformer.config import GPTConfig
from zoo.transformer.dropout import Dropout
from zoo.transformer.positions.rotary import Rotary

INITIAL_STDDEV = 0.02  # standard deviation of initial weights, as in GPT-2
# Added to the score of what must not be seen. Finite in half precision too, so that a row of
# nothing but padding gives a mean and not NaN.
MASKED = -3e4

Past = list[tuple[KerasTensor, KerasTensor]]


class Transformer(BuiltModel):
    """A stack of blocks between an embedding of tokens and their logits.

    One `call` serves training, reading a prompt and writing on from it. Keys and values of what
    has been read come back as `present` when `past` is given, and are the next call's `past`.

    Args:
        config: a `GPTConfig`, or its values as a dict.
        seed: seed of the dropout.

    Call arguments and what is returned: see `zoo.transformer.gpt.GPT`. Of a model that is not
    `causal`, each token also sees those behind it.
    """

    Config: type[GPTConfig] = GPTConfig

    def __init__(self, config: GPTConfig | dict[str, Any], seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(config, self.Config):
            config = self.Config.parse(config, type(self).__name__)
        self.config = config
        self.seed = seed
        self.dropout_seed = keras.random.SeedGenerator(seed)
        self.token_embedding = layers.ReversibleEmbedding(
            config.vocabulary_size,
            config.width,
            tie_weights=config.tied_embeddings,
            embeddings_initializer=initializers.RandomNormal(stddev=INITIAL_STDDEV),
            reverse_dtype="float32",
            name="token_embedding",
        )
        self.rotary = self.position_embedding = None
        if config.positions == "rotary":
            self.rotary = Rotary(
                config.context, config.turned_width, config.rotary_base, config.rotary_scaling
            )
        elif config.positions == "learned":
            self.position_embedding = layers.Embedding(
                config.context,
                config.width,
                embeddings_initializer=initializers.RandomNormal(stddev=INITIAL_STDDEV),
                name="position_embedding",
            )
        self.dropout = Dropout(config.dropout, self.dropout_seed, name="dropout")
        self.blocks = [
            Block(config, self.dropout_seed, INITIAL_STDDEV, name=f"block_{index}")
            for index in range(config.layers)
        ]
        self.final_norm = normalisation(config, "final_norm")
        self.build()

    def build(self, input_shape: Any = None) -> None:
        shape = (None, None, self.config.width)
        self.token_embedding.build()
        if self.position_embedding is not None:
            self.position_embedding.build()
        for layer in (*self.blocks, self.final_norm):
            layer.build(shape)

    # --- the model ---

    def call(
        self,
        inputs: KerasTensor | dict[str, Any],
        training: bool = False,
        in_place: bool = False,
    ) -> KerasTensor | dict[str, Any]:
        states, present = self.states(inputs, training, in_place)
        logits = self.predicted(states)  # (B, T, V)
        return logits if present is None else {"logits": logits, "present": present}

    def states(
        self,
        inputs: KerasTensor | dict[str, Any],
        training: bool = False,
        in_place: bool = False,
    ) -> tuple[KerasTensor, Past | None]:
        """Return what is made of each token, `(B, T, W)`, and what is the next call's `past`.

        Args:
            inputs, training, in_place: those of a call.
        """
        if not isinstance(inputs, dict):
            inputs = {"input_ids": inputs}
        ids, past = inputs["input_ids"], inputs.get("past")
        mask = inputs.get("attention_mask")
        seen = ops.shape(past[0][0])[2] if past else 0  # S
        positions = inputs.get("position_ids")
        if positions is None:
            positions = _positions(ids, seen, mask)  # (B or 1, T)
        config, heads = self.config, self.config.key_value_heads
        group = config.heads // heads  # G, as in Attention
        slots = slots_of(positions, heads) if in_place else None
        biases = {}  # by how many tokens one sees
        for window in sorted({config.window(layer) for layer in range(config.layers)}):
            if in_place:
                bias = _attention_bias_in_place(positions, mask, window)
            else:
                bias = _attention_bias(ids, seen, mask, window, config.causal)
            biases[window] = ops.tile(bias, (1, 1, group, 1))  # (B or 1, 1, G T, S + T)
        x = self.dropout(self.embedded(ids, positions), training=training)
        angles = self.rotary(positions) if self.rotary else None
        present = []
        for index, block in enumerate(self.blocks):
            own = past[index] if past else None
            turned = None if index in config.unturned_layers else angles
            bias = biases[config.window(index)]
            x, pair = block(x, bias, turned, own, slots, training=training)
            present.append(pair)
        return self.final_norm(x), present if past else None

    def predicted(self, states: KerasTensor) -> KerasTensor:
        """Return the logits of what is made of tokens: `(B, T, W)` -> float32 `(B, T, V)`."""
        return self.token_embedding(states, reverse=True)

    def embedded(self, ids: KerasTensor, positions: KerasTensor) -> KerasTensor:
        """Return what stands for tokens at their positions: `(B, T)` each -> `(B, T, W)`."""
        x = self.token_embedding(ids)
        return x if self.position_embedding is None else x + self.position_embedding(positions)

    def empty_past(self, batch: int) -> Past:
        """Return the `past` of nothing read yet, for `batch` rows."""
        shape = (batch, self.config.key_value_heads, 0, self.config.head_size)
        return [
            (ops.zeros(shape, self.compute_dtype), ops.zeros(shape, self.compute_dtype))
            for _ in self.blocks
        ]

    # --- the loss ---

    def compute_loss(
        self,
        x: KerasTensor | dict[str, KerasTensor] | None = None,
        y: KerasTensor | None = None,
        y_pred: KerasTensor | None = None,
        sample_weight: KerasTensor | None = None,
        training: bool = True,
    ) -> KerasTensor:
        """Return the mean nats per token, ready to be summed over replicas.

        Args:
            x: what the logits were computed of.
            y: the token to be predicted at each place, int `(B, T)`.
            y_pred: logits `(B, T, V)`.
            sample_weight: `(B, T)`; 0 for tokens that do not count, such as padding.
            training: whether the loss is that of training.
        """
        nats = self.nats(x, y, y_pred, training)  # (B, T)
        weight = (
            ops.ones_like(nats) if sample_weight is None else ops.cast(sample_weight, "float32")
        )
        return replicas.scale_loss(replicas.global_weighted_mean(nats, weight))

    def nats(self, x: Any, y: KerasTensor, y_pred: KerasTensor, training: bool) -> KerasTensor:
        """Return what each token adds to the loss, `(B, T)`; see `compute_loss`."""
        return token_nats(y, y_pred)

    def validation_loss(self, batch: tuple[KerasTensor, ...]) -> KerasTensor:
        """Return the mean nats per token of a batch: inputs, targets and, optionally, weights."""
        inputs, targets, weights = keras.utils.unpack_x_y_sample_weight(batch)
        logits = self(inputs)
        return self.compute_loss(y=targets, y_pred=logits, sample_weight=weights, training=False)

    def get_config(self) -> dict[str, Any]:
        """Return what the class, called with `**config`, rebuilds the model from."""
        return {"config": self.config.model_dump(), "seed": self.seed, "name": self.name}


def token_nats(targets: KerasTensor, logits: KerasTensor) -> KerasTensor:
    """Surprise at each token, `-log p(target)`: int `(B, T)` and `(B, T, V)` -> `(B, T)` nats.

    Example:
        >>> import numpy as np
        >>> round(float(token_nats(np.zeros((1, 1), "int32"), np.zeros((1, 1, 65)))[0, 0]), 4)
        4.1744
    """
    return ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)


def _positions(ids: KerasTensor, seen: Any, mask: KerasTensor | None) -> KerasTensor:
    """Return the place of each token in its row, padding not counted: `(B, T)` or `(1, T)`."""
    if mask is None:
        return ops.expand_dims(seen + ops.arange(ops.shape(ids)[1], dtype="int32"), 0)
    counted = ops.cumsum(ops.cast(mask, "int32"), axis=1) - 1  # (B, S + T)
    return ops.maximum(counted[:, seen:], 0)


def _attention_bias(
    ids: KerasTensor, seen: Any, mask: KerasTensor | None, window: int, causal: bool = True
) -> KerasTensor:
    """Return what to add to attention's scores, 0 or MASKED: `(B, 1, T, S + T)`, or 1 for B.

    A token sees `window` tokens, itself included, or all for 0; if not `causal`, those behind too.
    """
    length = ops.shape(ids)[1]
    indices = ops.arange(seen + length, dtype="int32")
    # Not indexed by None, which TensorFlow Lite does not take.
    own = ops.expand_dims(indices[seen:], 1)  # (T, 1)
    last = own if causal else ops.full_like(own, seen + length)
    visible = indices <= last  # (T, S + T): nothing ahead
    if window:
        visible = ops.logical_and(visible, indices > own - window)
    visible = ops.expand_dims(visible, 0)
    if mask is not None:
        visible = ops.logical_and(visible, ops.expand_dims(ops.cast(mask, "bool"), 1))
    return ops.expand_dims(ops.where(visible, 0.0, MASKED), 1)


def _attention_bias_in_place(positions: KerasTensor, mask: KerasTensor, window: int) -> KerasTensor:
    """Return what to add to attention's scores where the cache has room for S: `(B, 1, T, S)`."""
    slots = ops.arange(mask.shape[1], dtype=positions.dtype)
    own = ops.expand_dims(positions, 2)  # (B, T, 1)
    visible = slots <= own  # (B, T, S): nothing ahead
    if window:
        visible = ops.logical_and(visible, slots > own - window)
    visible = ops.logical_and(visible, ops.expand_dims(ops.cast(mask, "bool"), 1))
    return ops.expand_dims(ops.where(visible, 0.0, MASKED), 1)
