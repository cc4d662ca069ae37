"""A Keras translator as something that reads and writes text."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from serving.text.memory import Past
from serving.text.tokenizer import Tokenizer
from serving.text.translation.translator import TextTranslator
from zoo.translation.data import BEGIN
from zoo.translation.translator import Translator


def writer(
    model: Translator, tokenizer: bytes, languages: dict[str, int | None]
) -> TextTranslator:
    """Return what translates and scores text with a Keras model.

    Args:
        model: trained with this tokenizer.
        tokenizer: the content of `tokenizer.json`.
        languages: see `TextTranslator`.
    """
    known = Tokenizer(tokenizer, limit=model.config.vocabulary_size)
    return TextTranslator(KerasNetwork(model), known, model.config.context, BEGIN, languages)


class KerasNetwork:
    """A `zoo.Translator` as a `serving.text.translation.reading.Network`, compiled."""

    def __init__(self, model: Translator):
        self.model = model
        self._encode = tf.function(model.encode, reduce_retracing=True)
        self._decode = tf.function(model.decode, reduce_retracing=True)

    def encode(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        states = self._encode(tf.constant(input_ids, tf.int32), tf.constant(attention_mask))
        return _numbers(states)

    def decode(
        self,
        input_ids: np.ndarray,
        states: np.ndarray,
        attention_mask: np.ndarray,
        written: Past | None,
        source: Past | None,
    ) -> tuple[np.ndarray, Past, Past]:
        past = self.model.empty_past(len(input_ids))
        if written is not None and source is not None:
            past = [(*own, *other) for own, other in zip(written, source, strict=True)]
        with warnings.catch_warnings():
            # The first token attends to itself alone, of which Keras warns.
            warnings.filterwarnings("ignore", "You are using a softmax", UserWarning)
            logits, present = self._decode(
                tf.constant(input_ids, tf.int32), states, tf.constant(attention_mask), past
            )
        held = [tuple(map(_numbers, layer)) for layer in present]
        own, other = ([layer[at : at + 2] for layer in held] for at in (0, 2))
        return _numbers(logits), own, other


def _numbers(tensor: keras.KerasTensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)
