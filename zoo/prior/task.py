"""How a prior is trained: on codes of images of which some are hidden, judged by somebody else."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np
import tensorflow as tf

from serving.errors import UsageError
from serving.families.codes.captions import CaptionWords
from zoo.codes.codes import Codes
from zoo.data.captions.words import keep_words
from zoo.data.images import Images
from zoo.metric import Metric
from zoo.prior.captions import words_file
from zoo.prior.data import Batch, hidden, measured, told
from zoo.prior.evaluate import PriorEvaluateConfig, code_nats, evaluate
from zoo.prior.generator import Generator
from zoo.prior.prior import Prior
from zoo.recipe import Recipe
from zoo.task import Drawn
from zoo.training.array_task import ArrayTask
from zoo.training.beginning import model_of
from zoo.training.weighted import weighted_validation

ROWS = 8  # of samples
VALIDATION_BATCH = 128


class PriorTask(ArrayTask):
    """The codes of images, by the model that was trained before; see `zoo.task.Task`.

    What is hidden is a pure function of the recipe's seed and of the step.

    Attributes:
        codes: the model that was trained before.
        images: of the recipe.
        words: of captions, where there are any.
    """

    def __init__(self, recipe: Recipe):
        config = recipe.model
        self.codes = codes_of(config.codes)
        self.images = Images(recipe.data, self.codes.config.image_shape, config.classes)
        self.recipe = recipe
        super().__init__(recipe, self.images.source, *map(self.examples, ("train", "validation")))

    def examples(self, part: str) -> dict[str, np.ndarray]:
        """Return the codes of a part, and what is told of them: `labels` or `words`."""
        longest = self.recipe.model.words
        return told(self.images, part, self.codes.encode_all, self.words, longest)

    @cached_property
    def words(self) -> CaptionWords | None:
        """The words of captions."""
        return None if self._words_file is None else CaptionWords(self._words_file)

    @cached_property
    def _words_file(self) -> bytes | None:
        config = self.recipe.model
        return words_file(self.images.captions("train"), config) if config.words else None

    def keep(self, directory: Path) -> None:
        """Write the words of captions."""
        if self._words_file is not None:
            keep_words(self._words_file, directory, self.recipe.data.name)

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches of codes of which some are hidden, from step `start` on."""
        config, seed = self.recipe.model, self.recipe.train.seed

        def hide(step: tf.Tensor, examples: dict[str, tf.Tensor]) -> Batch:
            return hidden(examples, config, tf.stack([tf.cast(seed, tf.int64), step]))

        batches = super().training_batches(start).enumerate(start)
        return batches.map(hide, num_parallel_calls=2, deterministic=True).prefetch(4)

    def validation_examples(self) -> Batch:
        """Return held-out codes, of which few to all are hidden."""
        return measured(super().validation_examples(), self.recipe.model)

    def validation(self, shipped: Prior) -> Callable[[], dict[str, float]]:
        """Return what measures the mean nats of a hidden code."""
        rows = tf.data.Dataset.from_tensor_slices(self.validation_examples())
        return weighted_validation(shipped, rows.batch(VALIDATION_BATCH))

    def samples(self, shipped: Prior) -> Drawn:
        """Draw eight rows of images; with classes a column for each, or after eight captions."""
        config = self.recipe.model
        generator = Generator(shipped, self.codes, self.words)
        captions = self.images.captions("validation") if config.words else None
        images = draw_samples(generator, config.classes, captions, self.recipe.train.seed)
        return Drawn("image", images, {"classes": config.classes})

    def evaluate(self, model: Prior, settings: PriorEvaluateConfig, figures: Path) -> list[Metric]:
        """Measure images against the test split, and how well hidden codes of it are known."""
        config = self.recipe.model
        scorer = model_of(config.scorer) if config.scorer else None
        generator = Generator(model, self.codes, self.words, scorer)
        captions = self.images.captions("test") if config.words else None
        test = measured(self.examples("test"), config)
        return [
            *evaluate(generator.generate, captions, self.images, settings),
            code_nats(generator.logits, test, config.filling),
        ]


def draw_samples(
    generator: Generator, classes: int, captions: list[str] | None, seed: int
) -> np.ndarray:
    """Draw eight rows of samples: a column for each class, or a row after each of eight captions.

    Args:
        generator: of Keras, or a model of `serving`.
        classes: of the prior.
        captions: of images; None of a prior without.
        seed: of the images.
    """
    if captions is not None:
        prompts = [caption for caption in captions[:ROWS] for _ in range(ROWS)]
        return generator.generate(len(prompts), prompt=prompts, seed=seed)
    columns = classes or ROWS
    labels = np.tile(np.arange(classes), ROWS) if classes else None
    return generator.generate(ROWS * columns, labels=labels, seed=seed)


def codes_of(source: str) -> Codes:
    """Return the model of codes of a run, a bundle or a published model.

    Raises:
        UsageError: there is none, or it is of another kind.
    """
    model = model_of(source)
    if not isinstance(model, Codes):
        raise UsageError(
            f"model.codes is {source}, a {type(model).__name__}; expected a run of codes"
        )
    return model
