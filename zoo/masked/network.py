"""The network of a masked language model (Devlin et al. 2019, BERT, arXiv:1810.04805).

It is in `keras.ops` alone, and so on any backend of Keras.
"""

from typing import Any

from keras import KerasTensor, ops

from zoo.masked.config import MaskedConfig
from zoo.transformer.config import GPTConfig
from zoo.transformer.network import Transformer


class MaskedTransformer(Transformer):
    """A Transformer whose tokens see all others; see `zoo.masked.model.MaskedLanguageModel`.

    Example:
        >>> import numpy as np
        >>> model = MaskedTransformer({"vocabulary_size": 65, "layers": 1, "width": 16, "heads": 2})
        >>> model({"input_ids": np.arange(12)[None], "places": np.array([[3, 7]])}).shape
        TensorShape([1, 2, 65])
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
