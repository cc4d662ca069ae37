"""The masked language model (Devlin et al. 2019, BERT, arXiv:1810.04805), as it is trained."""

import keras
from keras import KerasTensor, ops

from zoo.masked.network import MaskedTransformer
from zoo.training.accumulation import Accumulating


class MaskedLanguageModel(MaskedTransformer, Accumulating):
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
        >>> from zoo.masked.config import MaskedConfig
        >>> sizes = {"layers": 2, "width": 16, "heads": 2}
        >>> model = MaskedLanguageModel(MaskedConfig(vocabulary_size=65, **sizes))
        >>> ids = np.arange(12).reshape(2, 6)
        >>> model(ids).shape, model.read(ids, np.ones_like(ids))["last_hidden_state"].shape
        (TensorShape([2, 6, 65]), TensorShape([2, 6, 16]))
    """

    def weight(self, data: tuple[KerasTensor, ...]) -> KerasTensor:
        """Return how many tokens of a batch are to be predicted."""
        _, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        return ops.sum(ops.ones_like(targets, "float32") if weights is None else weights)

    @property
    def seeds(self) -> list[keras.random.SeedGenerator]:
        return [self.dropout_seed]
