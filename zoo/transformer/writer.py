"""A Keras GPT as something that reads and writes text."""

import warnings
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from keras import ops

from serving.text.memory import Past
from serving.text.text import TextModel
from serving.text.tokenizer import Tokenizer
from zoo.data import tokenizers
from zoo.data.styles.codes import codes_of
from zoo.transformer.gpt import GPT


def writer(model: GPT, tokenizer: bytes, ends: Sequence[int] | None = None) -> TextModel:
    """Return what generates, streams and scores text with a Keras model.

    Args:
        model: trained with this tokenizer.
        tokenizer: the content of `tokenizer.json`.
        ends: the tokens that end a text; that of the zoo's tokenizers unless given.

    Example:
        >>> from zoo.data.text import Text, TextConfig
        >>> from zoo.transformer import GPTConfig
        >>> text = Text(TextConfig(name="python_topics", limit=20000), context=32)
        >>> size = text.tokenizer.get_vocab_size()
        >>> model = GPT(GPTConfig(vocabulary_size=size, context=32, layers=1, width=16, heads=2))
        >>> written = writer(model, text.tokenizer.to_str().encode()).generate("The ", 8, seed=7)
        >>> len(written) <= 8
        True
    """
    styles = codes_of(tokenizers.parse(tokenizer))
    limit = model.config.vocabulary_size
    known = Tokenizer(tokenizer, ends=ends or None, limit=limit, styles=styles)
    return TextModel(KerasStep(model), known, model.config.context)


class KerasStep:
    """A `zoo.GPT` as a `serving.text.decoding.Step`, compiled."""

    def __init__(self, model: GPT):
        self.model = model
        self._call = tf.function(model.__call__, reduce_retracing=True)

    def __call__(
        self,
        input_ids: np.ndarray,
        attention_mask: np.ndarray,
        position_ids: np.ndarray,
        past: Past | None,
    ) -> tuple[np.ndarray, Past]:
        inputs = {
            "input_ids": tf.constant(input_ids, tf.int32),
            "attention_mask": tf.constant(attention_mask, tf.int32),
            "position_ids": tf.constant(position_ids, tf.int32),
            "past": self.model.empty_past(len(input_ids)) if past is None else past,
        }
        with warnings.catch_warnings():
            # The first token attends to itself alone, of which Keras warns.
            warnings.filterwarnings("ignore", "You are using a softmax", UserWarning)
            outputs = self._call(inputs)
        present = [
            tuple(ops.convert_to_numpy(each) for each in pair) for pair in outputs["present"]
        ]
        return ops.convert_to_numpy(outputs["logits"]), present
