"""The masked language model (Devlin et al. 2019, BERT, arXiv:1810.04805), in `keras.ops` alone."""

from typing import Any

import keras
from keras import KerasTensor, ops

from zoo.masked.config import MaskedConfig
from zoo.training.accumulation import Accumulating
from zoo.transformer.config import GPTConfig
from zoo.transformer.network import Transformer


class MaskedLanguageModel(Transformer, Accumulating):
    """Predicts hidden tokens of a text from all others, before them and behind.

    Args:
        config: a `MaskedConfig`, or its values as a dict.
        seed: seed of the dropout.

    Call arguments:
        inputs: token ids `(B, T)`, or a dict with them as `input_ids` and optionally
            `attention_mask`, int `(B, T)`, 1 for tokens and 0 for padding, and `places`, int
            `(B, M)`: of which logits are wanted; all unless given.
        training: whether to drop out.

    Returns:
        Logits of the token at each place, float32 `(B, T or M, vocabulary_size)`.

    Example:
        >>> import numpy as np
        >>> sizes = {"layers": 2, "width": 16, "heads": 2}
        >>> model = MaskedLanguageModel(MaskedConfig(vocabulary_size=65, **sizes))
        >>> ids = np.arange(12).reshape(2, 6)
        >>> model(ids).shape, model.read(ids, np.ones_like(ids))["last_hidden_state"].shape
        (TensorShape([2, 6, 65]), TensorShape([2, 6, 16]))
    """

    Config: type[GPTConfig] = MaskedConfig

    def call(
        self,
        inputs: KerasTensor | dict[str, Any],
        training: bool = False,
        in_place: bool = False,
    ) -> KerasTensor:
        states, _ = self.states(inputs, training)
        places = inputs.get("places") if isinstance(inputs, dict) else None
        if places is not None:
            # Most tokens of a training step are not predicted, and their logits cost the most.
            states = ops.take_along_axis(states, ops.expand_dims(places, -1), axis=1)  # (B, M, W)
        return self.predicted(states)

    def read(self, ids: KerasTensor, mask: KerasTensor) -> dict[str, KerasTensor]:
        """Return what the model makes of each token, and what it says is there.

        Args:
            ids: `(B, T)`.
            mask: int `(B, T)`, 0 for padding.

        Returns:
            `logits` `(B, T, V)` and `last_hidden_state` `(B, T, W)`, both float32.
        """
        states, _ = self.states({"input_ids": ids, "attention_mask": mask})
        return {
            "logits": self.predicted(states),
            "last_hidden_state": ops.cast(states, "float32"),
        }

    def weight(self, data: tuple[KerasTensor, ...]) -> KerasTensor:
        """Return how many tokens of a batch are to be predicted."""
        _, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        return ops.sum(ops.ones_like(targets, "float32") if weights is None else weights)

    @property
    def seeds(self) -> list[keras.random.SeedGenerator]:
        return [self.dropout_seed]
