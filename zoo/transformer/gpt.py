"""The decoder-only Transformer (Radford et al. 2019, after Vaswani et al. 2017)."""

from collections.abc import Iterable
from typing import Any

import keras
from keras import KerasTensor, ops

from serving.errors import UsageError
from zoo.recipe import Importance
from zoo.training.accumulation import Accumulating
from zoo.training.smaller.distillation import Student, softened_nats
from zoo.training.smaller.pruning import Prunable
from zoo.transformer import pruning
from zoo.transformer.config import GPTConfig
from zoo.transformer.network import Transformer, token_nats


class GPT(Transformer, Accumulating, Student, Prunable):
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

    # --- training ---

    def nats(self, x: Any, y: KerasTensor, y_pred: KerasTensor, training: bool) -> KerasTensor:
        """Return what each token adds to the loss, `(B, T)`, that of a teacher shared in."""
        nats = token_nats(y, y_pred)
        if not training or self.teaching is None:
            return nats
        expected = self.teaching.teacher(x, training=False)  # (B, T, V)
        taught = softened_nats(expected, y_pred, self.teaching.temperature)  # (B, T)
        return self.teaching.shared(nats, taught)

    def weight(self, data: tuple[KerasTensor, ...]) -> KerasTensor:
        """Return the weight of all tokens of a batch."""
        _, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        return ops.sum(ops.ones_like(targets, "float32") if weights is None else weights)

    @property
    def seeds(self) -> list[keras.random.SeedGenerator]:
        return [self.dropout_seed]

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
