"""How a detector is trained: on scenes that are painted as they are asked for."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from zoo.data.scenes.scenes import Scenes
from zoo.judge.scenes.config import DetectorEvaluateConfig
from zoo.judge.scenes.detector import Detector
from zoo.judge.scenes.judge import agreement, things_of
from zoo.judge.scenes.targets import targets
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.training.array_task import OneOptimizerTask

_KINDS = {"centre": tf.float32, "thing": tf.int32, "colour": tf.int32, "size": tf.int32}


class DetectorTask(OneOptimizerTask):
    """The scenes of a recipe, and how a detector learns from them; see `zoo.task.Task`.

    Scenes come in their order, which is as good as any: each is drawn for itself.

    Args:
        recipe: with `[model]` a `DetectorConfig` and `[data]` a `ScenesConfig`.
    """

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.scenes = Scenes(recipe.data)
        self.source = self.scenes.source
        self._batches = max(1, recipe.data.count // recipe.train.batch_size)
        self.steps_per_epoch = recipe.train.steps_per_epoch or self._batches
        self.smallest_batch = min(recipe.train.batch_size, recipe.data.count)

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches of pictures and right answers without end, from step `start` on."""
        config, size = self.recipe.data, self.smallest_batch
        cells = (size, self.recipe.model.cells, self.recipe.model.cells)

        def paint(step: np.ndarray) -> list[np.ndarray]:
            at = int(step) % self._batches * size
            image, things = self.scenes.pictures("train", at, at + size)
            answers = targets(things, config)
            return [image, *(answers[name] for name in _KINDS)]

        def batch(step: tf.Tensor) -> dict[str, tf.Tensor]:
            image, *answers = tf.numpy_function(paint, [step], [tf.uint8, *_KINDS.values()])
            image = tf.ensure_shape(image, (size, config.size, config.size, 3))
            found = {"image": tf.cast(image, tf.float32) / 255}
            for name, answer in zip(_KINDS, answers, strict=True):
                found[name] = tf.ensure_shape(answer, cells)
            return found

        steps = tf.data.Dataset.range(start, tf.int64.max)
        return steps.map(batch, num_parallel_calls=2, deterministic=True).prefetch(4)

    def validation_examples(self) -> dict[str, np.ndarray]:
        """Return the scenes of the validation part, and the right answers."""
        found = self.scenes.read("validation")
        image = found.image.astype(np.float32) / 255
        return {"image": image} | targets(found.things, self.recipe.data)

    def samples(self, shipped: keras.Model) -> None:
        """Draw nothing: a judge makes no samples."""

    def evaluate(
        self, model: Detector, settings: DetectorEvaluateConfig, figures: Path
    ) -> list[Metric]:
        """Measure the share of test scenes that are read right."""
        found = self.scenes.read("test", 0, settings.limit)
        things = things_of(model, found.image, self.scenes.grammar)
        return list(agreement(things, found.scene, "real test scenes"))
