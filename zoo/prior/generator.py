"""Images drawn by a prior and the codes that it was trained on, in Keras."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from serving.content.pictures import to_uint8
from serving.errors import UsageError
from serving.families.codes.captions import CaptionWords
from serving.families.codes.drawing import Drawing
from serving.families.codes.prior import checked_words, words_of
from serving.families.inputs import checked_labels
from zoo.codes.codes import Codes
from zoo.prior.prior import Prior
from zoo.scorer.scorer import Scorer


class Generator:
    """Draws images as `serving.families.codes.prior.CodePrior` does, of the same seed the same.

    Args:
        prior, codes: the two models.
        words: of captions, where the prior has some.
        scorer: by which the best of several images is chosen, where there is one.
    """

    def __init__(
        self,
        prior: Prior,
        codes: Codes,
        words: CaptionWords | None = None,
        scorer: Scorer | None = None,
    ):
        self.prior, self.codes, self.words, self.scorer = prior, codes, words, scorer
        self._graph: Any = None

    def generate(
        self,
        count: int,
        labels: Sequence[int] | None = None,
        prompt: str | Sequence[str] | None = None,
        seed: int = 0,
        rerank: int = 1,
        **course: Any,
    ) -> np.ndarray:
        """Draw images.

        Args:
            count: how many.
            labels: one label per image, of a prior with classes.
            prompt: what to draw, one for all or one for each, of a prior with captions.
            seed: 0 <= seed < 2**32.
            rerank: images drawn for each, of which the one that goes best with the prompt is kept.
            course: `steps`, `guidance`, `temperature` and `order`, where they are not the
                configuration's.

        Returns:
            uint8 `(count, H, W, C)`.
        """
        if count < 1:
            raise UsageError(f"count is {count}; expected at least 1")
        config = self.prior.config
        told = checked_labels(labels, count, config.classes)
        if self.words is not None:
            told = words_of(prompt, count, self.words, config.words)
        drawing = Drawing(
            self._logits,
            self.codes.decode_batch,
            config.positions,
            config.vocabulary,
            config.classes,
            replace(config.course, **course),
        )
        batches = drawing.images(count, told, seed)
        if rerank > 1:
            if self.scorer is None:
                raise UsageError("there is no scorer to choose by; set model.scorer")
            batches = drawing.chosen(count, checked_words(told), seed, self._scores, rerank)
        return np.concatenate([to_uint8(batch) for batch in batches])

    def _scores(self, image: np.ndarray, words: np.ndarray) -> np.ndarray:
        return np.asarray(self.scorer.scores(image, words))

    def logits(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """Return what the prior says of a batch, as it takes them: float32 `(B, T, V)`."""
        return self._logits(inputs["codes"], inputs.get("labels", inputs.get("words")))

    def _logits(self, codes: np.ndarray, told: np.ndarray | None) -> np.ndarray:
        import tensorflow as tf  # the one backend that samples are drawn with

        if self._graph is None:
            config = self.prior.config
            shape = (None,) if config.classes else (None, config.words)
            specs = [tf.TensorSpec((None, config.positions), tf.int32)]
            specs += [tf.TensorSpec(shape, tf.int32)] if config.conditions else []
            self._graph = tf.function(self.prior.logits, specs, autograph=False)
        given = (codes,) if told is None else (codes, told)
        return self._graph(*(tf.constant(each, tf.int32) for each in given)).numpy()
