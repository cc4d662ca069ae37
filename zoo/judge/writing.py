"""Who judges written texts: a classifier of what their letters are like."""

from collections.abc import Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

LETTERS = 4  # of the longest n-gram
MOST_GRAMS = 20_000  # those that are told apart, the most frequent
STEPS, RATE, DECAY = 100, 0.03, 1e-5


class WritingJudge:
    """Says in which style a text is written: logistic regression on n-grams of its characters.

    The n-grams of one to four characters weigh by how often they are there and how few texts have
    them, and all styles weigh alike, however many texts are of each. Learning begins with zeros and
    takes all texts at each step, so that the same texts give the same judge.

    Args:
        texts: what it learns from, texts by style.

    Attributes:
        styles: that it tells apart.

    Example:
        >>> texts = {"shout": ["HEY! HO!", "HEY! YOU!"], "talk": ["so it is.", "it so."]}
        >>> judge = WritingJudge(texts)
        >>> judge.styles_of(["HO! HO!", "is it so."])
        ['shout', 'talk']

    Reference:
        Keselj et al. 2003, N-gram-based author profiles for authorship attribution.
    """

    def __init__(self, texts: Mapping[str, Sequence[str]]):
        self.styles = list(texts)
        learned = [text for own in texts.values() for text in own]
        counts = np.array([len(own) for own in texts.values()])
        labels = np.repeat(np.arange(len(texts)), counts)
        shares = np.repeat(len(learned) / (len(texts) * counts), counts).astype(np.float32)
        self._grams = layers.TextVectorization(
            max_tokens=MOST_GRAMS,
            standardize=None,
            split="character",
            ngrams=LETTERS,
            output_mode="tf_idf",
        )
        self._grams.adapt(tf.constant(learned))
        features = self._features(learned)
        regularizer = keras.regularizers.L2(DECAY)
        self._model = keras.Sequential(
            [
                keras.Input(features.shape[1:]),
                layers.Dense(
                    len(texts), kernel_initializer="zeros", kernel_regularizer=regularizer
                ),
            ]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        self._model.compile(keras.optimizers.Adam(RATE), loss, jit_compile=False)
        all_of_them = tf.data.Dataset.from_tensors((features, labels, shares))
        self._model.fit(all_of_them.repeat(STEPS), shuffle=False, verbose=0)

    def styles_of(self, texts: Sequence[str]) -> list[str]:
        """Return the likeliest style of each text."""
        logits = self._model.predict_on_batch(self._features(texts))
        return [self.styles[index] for index in logits.argmax(axis=1)]

    def _features(self, texts: Sequence[str]) -> np.ndarray:
        """Return the weights of n-grams in each text, float32 `(N, grams)`, of length 1."""
        weights = np.log1p(np.asarray(self._grams(tf.constant(list(texts)))))
        return weights / np.maximum(np.linalg.norm(weights, axis=1, keepdims=True), 1e-9)
