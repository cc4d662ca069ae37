"""A Keras translator as something that reads and writes text."""

import keras
import numpy as np
import tensorflow as tf

from serving.text.memory import Past
from serving.text.tokenizer import Tokenizer
from serving.text.translation.translator import TextTranslator
from zoo.translation.data import BEGIN
from zoo.translation.translator import Translator


def writer(model: Translator, tokenizer: bytes, languages: dict[str, int | None]) -> TextTranslator:
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
        ids, mask = (tf.TensorSpec((None, None), kind) for kind in (tf.int32, tf.int64))
        config = model.config
        states = tf.TensorSpec((None, None, config.width), model.compute_dtype)
        shape = (None, config.heads, None, config.width // config.heads)
        layer = (tf.TensorSpec(shape, model.compute_dtype),) * 4
        past = [layer] * config.decoder_layers
        self._encode = tf.function(model.encode, [ids, mask], autograph=False)
        self._decode = tf.function(model.decode, [ids, states, mask, past], autograph=False)

    def encode(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        return _numbers(self._encode(tf.constant(input_ids, tf.int32), attention_mask))

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
        ids = tf.constant(input_ids, tf.int32)
        logits, present = self._decode(ids, states, attention_mask, past)
        held = [tuple(map(_numbers, layer)) for layer in present]
        own, other = ([layer[at : at + 2] for layer in held] for at in (0, 2))
        return _numbers(logits), own, other


def _numbers(tensor: keras.KerasTensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)
