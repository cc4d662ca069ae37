"""A Keras masked language model as something that reads text."""

import keras
import numpy as np
import tensorflow as tf

from serving.text.masked.filler import TextFiller
from serving.text.tokenizer import Tokenizer
from zoo.masked.data import MASK_ID
from zoo.masked.model import MaskedLanguageModel


def filler(model: MaskedLanguageModel, tokenizer: bytes) -> TextFiller:
    """Return what fills gaps, scores texts and turns them into vectors with a Keras model.

    Args:
        model: trained with this tokenizer.
        tokenizer: the content of `tokenizer.json`.

    Example:
        >>> from zoo.masked.data import MaskedText, MaskedTextConfig
        >>> config = MaskedTextConfig(name="python_topics", vocabulary_size=300, limit=20000)
        >>> text = MaskedText(config, context=32)
        >>> sizes = {"context": 32, "layers": 1, "width": 16, "heads": 2}
        >>> model = MaskedLanguageModel({"vocabulary_size": text.size, **sizes})
        >>> own = filler(model, text.text.tokenizer.to_str().encode())
        >>> len(own.fill("The [MASK] is", top_k=3))
        3
    """
    known = Tokenizer(tokenizer, limit=model.config.vocabulary_size)
    return TextFiller(KerasNetwork(model), known, model.config.context, MASK_ID)


class KerasNetwork:
    """A `zoo.MaskedLanguageModel` as a `serving.text.masked.filler.Network`, compiled."""

    def __init__(self, model: MaskedLanguageModel):
        tokens = tf.TensorSpec((None, None), tf.int32)
        self._read = tf.function(model.read, [tokens, tokens], autograph=False)

    def predict(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        return self._outputs(input_ids, attention_mask)["logits"]

    def states(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        return self._outputs(input_ids, attention_mask)["last_hidden_state"]

    def _outputs(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> dict[str, np.ndarray]:
        given = (tf.constant(each, tf.int32) for each in (input_ids, attention_mask))
        outputs = self._read(*given)
        return {name: keras.ops.convert_to_numpy(each) for name, each in outputs.items()}
