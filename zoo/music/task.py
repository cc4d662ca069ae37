"""How a network of music is trained: on stretches of pieces, judged by its surprise at others."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

from serving.errors import UsageError
from serving.music.composer import emptied
from serving.music.grid import BAR, STEPS_PER_BAR
from serving.music.piece import TEMPO
from serving.text.sampling_config import SamplingConfig
from zoo.metric import Metric
from zoo.music import batches
from zoo.music.evaluate import MusicEvaluateConfig, evaluate
from zoo.music.model import MusicTransformer
from zoo.music.pieces import read
from zoo.music.writer import composer
from zoo.recipe import Recipe
from zoo.task import Drawn
from zoo.training.array_task import OneOptimizerTask
from zoo.training.weighted import weighted_validation

SAMPLES, SAMPLE_BARS = 2, 8


class MusicTask(OneOptimizerTask):
    """The pieces of a recipe, and how a network learns from them; see `zoo.task.Task`.

    Args:
        recipe: with `[model]` a `MusicConfig` and `[data]` a `MusicDataConfig`.
    """

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        model, data, train = recipe.model, recipe.data, recipe.train
        self.parts, self.source = read(data, model.pitches)
        bars = data.bars or model.bars
        if bars > model.bars:
            raise UsageError(f"data.bars is {bars}, and the model sees {model.bars} at once")
        self._length = bars * BAR
        self._pool = batches.pool(self.parts["train"], model.pitches, self._length, data.transpose)
        examples = int(self._pool.rows.shape[0])
        self.steps_per_epoch = train.steps_per_epoch or -(-examples // train.batch_size)
        self.smallest_batch = train.batch_size

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches without end, from step `start` on."""
        model, train = self.recipe.model, self.recipe.train
        any_order = model.order == "any"
        return batches.training_batches(
            self._pool, model.pitches, self._length, train.batch_size, train.seed, any_order
        )(start)

    def validation_examples(self) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Return windows of the validation part: inputs, notes, and how much each counts."""
        model, pieces = self.recipe.model, self.parts["validation"]
        if model.order == "time":
            ids, notes, weights = batches.time_windows(
                pieces, model.pitches, self._length, max(BAR, self._length // BAR // 2 * BAR)
            )
            return {"input_ids": ids}, notes, weights
        ids, notes, mask, weights = batches.blank_windows(pieces, model.pitches, self._length)
        return {"input_ids": ids, "attention_mask": mask}, notes, weights

    def validation(self, shipped: MusicTransformer) -> Callable[[], dict[str, float]]:
        """Return what measures the mean nats per note of the validation part."""
        data = self.validation_examples()
        windows = tf.data.Dataset.from_tensor_slices(data).batch(self.recipe.evaluate.batch_size)
        return weighted_validation(shipped, windows)

    def samples(self, shipped: MusicTransformer) -> Drawn:
        """Draw a few pieces."""
        bars = min(SAMPLE_BARS, self._length // BAR)
        given, seed = emptied(bars * STEPS_PER_BAR), self.recipe.train.seed
        pieces = composer(shipped).compose(given, TEMPO, SAMPLES, seed, SamplingConfig())
        return Drawn("piece", pieces, {})

    def evaluate(
        self, model: MusicTransformer, settings: MusicEvaluateConfig, figures: Path
    ) -> list[Metric]:
        """Measure the surprise at pieces that were not trained on, and the rules that are kept."""
        return list(evaluate(composer(model), self.recipe.model, self.parts, settings))
