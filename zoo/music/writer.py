"""A Keras network of music as something that composes."""

import numpy as np
import tensorflow as tf
from keras import ops

from serving.music.composer import Composer
from serving.music.drawing import Blanks, Forward
from zoo.music.model import MusicTransformer
from zoo.transformer.writer import KerasStep


def composer(model: MusicTransformer) -> Composer:
    """Return what draws music with a Keras model, the same as every export draws.

    Example:
        >>> from serving.music.composer import emptied
        >>> from serving.text.sampling_config import SamplingConfig
        >>> model = MusicTransformer({"family": "music", "layers": 1, "width": 16, "heads": 2})
        >>> [piece] = composer(model).compose(emptied(16), 84, 1, 7, SamplingConfig())
        >>> piece.notes.shape
        (16, 4)
    """
    config = model.config
    if config.order == "time":
        return Composer(Forward(KerasStep(model), config.context), config.pitches)
    return Composer(Blanks(KerasPredict(model), config.context), config.pitches)


class KerasPredict:
    """A network that sees all notes at once as a `serving.music.drawing.Predict`, compiled."""

    def __init__(self, model: MusicTransformer):
        self._call = tf.function(model.__call__, reduce_retracing=True)

    def __call__(
        self, input_ids: np.ndarray, attention_mask: np.ndarray, position_ids: np.ndarray
    ) -> np.ndarray:
        inputs = {
            "input_ids": tf.constant(input_ids, tf.int32),
            "attention_mask": tf.constant(attention_mask, tf.int32),
            "position_ids": tf.constant(position_ids, tf.int32),
        }
        return ops.convert_to_numpy(self._call(inputs))
