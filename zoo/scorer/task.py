"""How a scorer is trained: to tell the caption of a scene from others that are wrong."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from serving.families.codes.captions import CaptionWords
from zoo.data.captions.words import keep_words
from zoo.data.scenes.scenes import Scenes
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.scorer.captions import ALTERED, OTHERS, candidates, words_of
from zoo.scorer.config import ScorerEvaluateConfig
from zoo.scorer.scorer import Scorer
from zoo.training.array_task import OneOptimizerTask

BATCH = 200
VALIDATION_SEED = 0


class ScorerTask(OneOptimizerTask):
    """The scenes of a recipe, and how a scorer learns from them; see `zoo.task.Task`.

    Which captions are wrong is a function of the recipe's seed and of the step.

    Args:
        recipe: with `[model]` a `ScorerConfig` and `[data]` a `ScenesConfig`.
    """

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.scenes = Scenes(recipe.data)
        self.source = self.scenes.source
        self._words = words_of(self.scenes.grammar)
        self.words = CaptionWords(self._words)
        self._batches = max(1, recipe.data.count // recipe.train.batch_size)
        self.steps_per_epoch = recipe.train.steps_per_epoch or self._batches
        self.smallest_batch = min(recipe.train.batch_size, recipe.data.count)

    def keep(self, directory: Path) -> None:
        """Write the words of captions."""
        keep_words(self._words, directory, self.recipe.data.name)

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches of pictures and captions without end, from step `start` on."""
        data, model, size = self.recipe.data, self.recipe.model, self.smallest_batch
        seed = self.recipe.train.seed

        def read(step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            at = int(step) % self._batches * size
            random = np.random.RandomState([seed, int(step) % 2**32])
            return self.examples("train", at, at + size, random)

        def batch(step: tf.Tensor) -> dict[str, tf.Tensor]:
            image, words = tf.numpy_function(read, [step], [tf.uint8, tf.int32])
            image = tf.ensure_shape(image, (size, data.size, data.size, 3))
            words = tf.ensure_shape(words, (size, 1 + ALTERED + OTHERS, model.words))
            return {"image": tf.cast(image, tf.float32) / 255, "words": words}

        steps = tf.data.Dataset.range(start, tf.int64.max)
        return steps.map(batch, num_parallel_calls=2, deterministic=True).prefetch(4)

    def examples(
        self, part: str, start: int, stop: int, random: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return pictures uint8 `(N, H, W, 3)`, and captions, of which the first is right."""
        found = self.scenes.read(part, start, stop)
        grammar, longest = self.scenes.grammar, self.recipe.model.words
        return found.image, candidates(grammar, self.words, found.scene, longest, random)

    def validation_examples(self) -> dict[str, np.ndarray]:
        """Return the scenes of the validation part, each with the same captions each time."""
        random = np.random.RandomState(VALIDATION_SEED)
        image, words = self.examples("validation", 0, self.recipe.data.validation, random)
        return {"image": image.astype(np.float32) / 255, "words": words}

    def samples(self, shipped: keras.Model) -> None:
        """Draw nothing: a scorer makes no samples."""

    def evaluate(
        self, model: Scorer, settings: ScorerEvaluateConfig, figures: Path
    ) -> list[Metric]:
        """Measure how often the right caption of a test scene scores highest."""
        stop = min(settings.limit or self.recipe.data.test, self.recipe.data.test)
        random = np.random.RandomState(settings.seed)
        image, words = self.examples("test", 0, stop, random)
        logits = np.concatenate(
            [
                model.predict_on_batch(
                    {
                        "image": image[at : at + BATCH].astype(np.float32) / 255,
                        "words": words[at : at + BATCH],
                    }
                )
                for at in range(0, stop, BATCH)
            ]
        )
        return [_found(logits[:, : 1 + ALTERED], settings.seed)]


def _found(logits: np.ndarray, seed: int) -> Metric:
    """Say how often the first of some captions, the right one, scores highest."""
    return Metric(
        name="caption_found",
        value=float(np.mean(logits.argmax(axis=1) == 0)),
        unit="",
        definition="share of test scenes whose caption scores highest, beside "
        f"{logits.shape[1] - 1} that each differ from it in one thing; the floor is chance",
        samples=len(logits),
        seed=seed,
        better="higher",
        floor=1 / logits.shape[1],
    )
