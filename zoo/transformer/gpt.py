"""The decoder-only Transformer (Radford et al. 2019, after Vaswani et al. 2017)."""

import math
from collections.abc import Iterable
from typing import Any

import keras
from keras import KerasTensor, initializers, layers, ops

from serving.errors import UsageError
from zoo.recipe import Importance
from zoo.training import replicas
from zoo.training.accumulation import Accumulating
from zoo.training.smaller.distillation import Student, softened_nats
from zoo.training.smaller.pruning import Prunable
from zoo.transformer import pruning
from zoo.transformer.block import Block, normalisation
from zoo.transformer.cache import slots_of
from zoo.transformer.config import GPTConfig
from zoo.transformer.dropout import Dropout
from zoo.transformer.rotary import Rotary

INITIAL_STDDEV = 0.02  # standard deviation of initial weights, as in GPT-2
# Added to the score of what must not be seen. Finite in half precision too, so that a row of
# nothing but padding gives a mean and not NaN.
MASKED = -3e4

Past = list[tuple[KerasTensor, KerasTensor]]


class GPT(Accumulating, Student, Prunable):
    """Language model that predicts each token from those before it.

    One `call` serves training, reading a prompt and writing on from it. Keys and values of what
    has been read come back as `present` when `past` is given, and are the next call's `past`.

    Args:
        config: a `GPTConfig`, or its values as a dict.
        seed: seed of the dropout.

    Call arguments:
        inputs: token ids `(B, T)`, or a dict with them as `input_ids` and optionally
            `attention_mask`, int `(B, S + T)`, 1 for tokens and 0 for padding, S being the length
            of the past; `position_ids`, int `(B, T)`, below `config.context`, by default counted
            over the tokens of the mask; `past`, a pair of keys and values `(B, kv_heads, S,
            head_size)` for each layer, where S may be 0.
        training: whether to drop out.
        in_place: whether `past` has room for S tokens, into which the new ones are written where
            `position_ids` say. The mask then is `(B, S)`, and padding is on the right.

    Returns:
        Logits, float32 `(B, T, vocabulary_size)`; with `past`, a dict of `logits` and `present`,
        which is as `past`, with S + T positions, or with `in_place` S.

    Example:
        >>> import numpy as np
        >>> model = GPT(GPTConfig(vocabulary_size=65, layers=2, width=16, heads=2))
        >>> ids = np.arange(12).reshape(2, 6)
        >>> model(ids).shape
        TensorShape([2, 6, 65])
        >>> read = model({"input_ids": ids[:, :5], "past": model.empty_past(2)})
        >>> more = model({"input_ids": ids[:, 5:], "past": read["present"]})
        >>> bool(np.allclose(more["logits"][:, 0], model(ids)[:, 5], atol=1e-5))
        True
    """

    def __init__(self, config: GPTConfig | dict[str, Any], seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.config = config if isinstance(config, GPTConfig) else GPTConfig.parse(config, "GPT")
        self.seed = seed
        config, self.dropout_seed = self.config, keras.random.SeedGenerator(seed)
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
        else:
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
                bias = _attention_bias(ids, seen, mask, window)
            biases[window] = ops.tile(bias, (1, 1, group, 1))  # (B or 1, 1, G T, S + T)
        x = self.token_embedding(ids)  # (B, T, W)
        if self.position_embedding is not None:
            x = x + self.position_embedding(positions)
        x = self.dropout(x, training=training)
        angles = self.rotary(positions) if self.rotary else None
        present = []
        for index, block in enumerate(self.blocks):
            own = past[index] if past else None
            turned = None if index in config.unturned_layers else angles
            bias = biases[config.window(index)]
            x, pair = block(x, bias, turned, own, slots, training=training)
            present.append(pair)
        logits = self.token_embedding(self.final_norm(x), reverse=True)  # (B, T, V)
        return {"logits": logits, "present": present} if past else logits

    def empty_past(self, batch: int) -> Past:
        """Return the `past` of nothing read yet, for `batch` rows."""
        shape = (batch, self.config.key_value_heads, 0, self.config.head_size)
        return [
            (ops.zeros(shape, self.compute_dtype), ops.zeros(shape, self.compute_dtype))
            for _ in self.blocks
        ]

    @property
    def num_parameters(self) -> int:
        """Number of trained values; tied matrices count once."""
        return sum(math.prod(variable.shape) for variable in self.trainable_variables)

    # --- training ---

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
            x: for a teacher, if there is one, token ids `(B, T)`.
            y: the token that follows each, int `(B, T)`.
            y_pred: logits `(B, T, V)`.
            sample_weight: `(B, T)`; 0 for tokens that do not count, such as padding.
            training: whether a teacher has a part in the loss.
        """
        nats = token_nats(y, y_pred)  # (B, T)
        if training and self.teaching is not None:
            expected = self.teaching.teacher(x, training=False)  # (B, T, V)
            taught = softened_nats(expected, y_pred, self.teaching.temperature)  # (B, T)
            nats = self.teaching.shared(nats, taught)
        weight = (
            ops.ones_like(nats) if sample_weight is None else ops.cast(sample_weight, "float32")
        )
        # The mean over all tokens of all replicas, whose shares of the weight differ.
        sums = replicas.global_sum(ops.stack([ops.sum(nats * weight), ops.sum(weight)]))
        return replicas.scale_loss(ops.divide_no_nan(sums[0], sums[1]))

    def weight(self, data: tuple[KerasTensor, ...]) -> KerasTensor:
        """Return the weight of all tokens of a batch."""
        _, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        return ops.sum(ops.ones_like(targets, "float32") if weights is None else weights)

    @property
    def seeds(self) -> list[keras.random.SeedGenerator]:
        return [self.dropout_seed]

    def validation_loss(self, batch: tuple[KerasTensor, ...]) -> KerasTensor:
        """Return the mean nats per token of a batch: inputs, targets and, optionally, weights."""
        inputs, targets, weights = keras.utils.unpack_x_y_sample_weight(batch)
        logits = self(inputs)
        return self.compute_loss(y=targets, y_pred=logits, sample_weight=weights, training=False)

    # --- smaller models ---

    def check_teacher(self, teacher: keras.Model, name: str) -> None:
        """Make sure that a model can teach this one; see `Student`."""
        config = self._config_of(teacher, name)
        if config.vocabulary_size != self.config.vocabulary_size:
            raise UsageError(
                f"the teacher {name} has {config.vocabulary_size} tokens, and the model "
                f"{self.config.vocabulary_size}; expected the same"
            )
        if config.context < self.config.context:
            raise UsageError(
                f"the teacher {name} sees {config.context} tokens at once; "
                f"set model.context={config.context}, or less"
            )

    def take_parts(
        self, source: keras.Model, name: str, importance: Importance, batches: Iterable[Any]
    ) -> None:
        """Take the weights of the most important parts of a larger model; see `Prunable`."""
        pruning.check_parts(self.config, self._config_of(source, name), name)
        pruning.take_parts(self, source, pruning.scores(source, importance, batches))

    def _config_of(self, other: keras.Model, name: str) -> GPTConfig:
        if not isinstance(other, GPT):
            raise UsageError(f"{name} is a {type(other).__name__}; expected a Transformer")
        return other.config

    def get_config(self) -> dict[str, Any]:
        """Return what `GPT(**config)` rebuilds the model from."""
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
    ids: KerasTensor, seen: Any, mask: KerasTensor | None, window: int
) -> KerasTensor:
    """Return what to add to attention's scores, 0 or MASKED: `(B, 1, T, S + T)`, or 1 for B.

    A token sees `window` tokens, itself included, or all for 0.
    """
    length = ops.shape(ids)[1]
    indices = ops.arange(seen + length, dtype="int32")
    # Not indexed by None, which TensorFlow Lite does not take.
    own = ops.expand_dims(indices[seen:], 1)  # (T, 1)
    visible = indices <= own  # (T, S + T): nothing ahead
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
