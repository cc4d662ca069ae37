"""How a model of video is trained: on the codes of frames, after those of the frames before."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from zoo.data.moving.config import FRAMES, GIVEN
from zoo.data.moving.moving import MovingDigits
from zoo.metric import Metric
from zoo.prior.task import codes_of
from zoo.recipe import Recipe
from zoo.task import Drawn
from zoo.training.array_task import ArrayTask
from zoo.video.data import Pair, drawn, measured, told
from zoo.video.evaluate import VideoEvaluateConfig, evaluate, number_nats
from zoo.video.foreteller import Foreteller
from zoo.video.video import Video

SAMPLES = 3  # videos that samples show, beside what came


class VideoTask(ArrayTask):
    """Sequences by the codes that were trained before; see `zoo.task.Task`.

    Which frames are predicted, and what is disturbed, is a pure function of the recipe's seed and
    of the step.

    Attributes:
        codes: the model that was trained before.
        data: the sequences.
    """

    def __init__(self, recipe: Recipe):
        self.codes = codes_of(recipe.model.codes)
        self.data = MovingDigits(recipe.data)
        self.recipe = recipe
        super().__init__(recipe, self.data.source, *map(self.examples, ("train", "validation")))

    def examples(self, part: str) -> np.ndarray:
        """Return the numbers of the codes of a part, uint8 `(N, FRAMES, P)`."""
        return told(self.data, part, self.codes.encode_all, self.recipe.model)

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches of frames, each with the next one, from step `start` on."""
        config, seed = self.recipe.model, self.recipe.train.seed

        def draw(step: tf.Tensor, numbers: tf.Tensor) -> Pair:
            return drawn(numbers, config, tf.stack([tf.cast(seed, tf.int64), step]))

        batches = super().training_batches(start).enumerate(start)
        return batches.map(draw, num_parallel_calls=2, deterministic=True).prefetch(4)

    def validation_examples(self) -> Pair:
        """Return frames of held-out sequences, each with the next one."""
        return measured(super().validation_examples(), self.recipe.model)

    def samples(self, shipped: Video) -> Drawn:
        """Say how videos of the validation part go on, each below what came."""
        foreteller = Foreteller(shipped, self.codes)
        return Drawn("video", draw_samples(foreteller, self.data), {})

    def evaluate(self, model: Video, settings: VideoEvaluateConfig, figures: Path) -> list[Metric]:
        """Measure predicted frames of the test part, and how well their numbers are known."""
        foreteller = Foreteller(model, self.codes)
        return [
            *evaluate(foreteller.continue_from, foreteller.reconstruct, self.data, settings),
            number_nats(foreteller.logits, measured(self.examples("test"), self.recipe.model)),
        ]


def draw_samples(foreteller: Foreteller, data: MovingDigits) -> np.ndarray:
    """Return videos of the validation part as they came, and as the model has them go on.

    Args:
        foreteller: of Keras, or a model of `serving`.
        data: of the recipe.

    Returns:
        uint8 `(2 SAMPLES, FRAMES, H, W, C)`.
    """
    real = data.read("validation", 0, SAMPLES).frames
    given = real[:, :GIVEN]
    follow = foreteller.continue_from(given, frames=FRAMES - GIVEN, seed=0)
    made = np.concatenate([given, follow], axis=1)
    return np.stack([real, made], axis=1).reshape(-1, *real.shape[1:])
