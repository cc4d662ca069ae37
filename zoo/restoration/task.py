"""How a network that enlarges photographs is trained: on patches, judged on whole photographs."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from serving.photographs import bicubic
from serving.photographs.enlarging import Enlarger
from serving.photographs.photograph import Photograph
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.restoration.data import Photographs
from zoo.restoration.evaluate import RestorationEvaluateConfig, evaluate
from zoo.restoration.model import Restorer, network_of
from zoo.task import Drawn
from zoo.training.array_task import OneOptimizerTask

SAMPLES = 4


class RestorationTask(OneOptimizerTask):
    """The photographs of a recipe, and how a model learns from them; see `zoo.task.Task`.

    Args:
        recipe: with `[model]` a `RestorationConfig` and `[data]` a `PhotographsConfig`.
    """

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        model, train = recipe.model, recipe.train
        self.data = Photographs(recipe.data, model.scale, model.channels)
        self.source = self.data.source
        self.steps_per_epoch = train.steps_per_epoch or self.data.steps_per_epoch(train.batch_size)
        self.smallest_batch = train.batch_size

    def compile(self, model: Restorer, total_steps: int) -> None:
        """Give the model its optimizer, and say how much worse its images shall be made."""
        super().compile(model, total_steps)
        model.adversarial = self.recipe.data.adversarial

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches of patches without end, from step `start` on."""
        train = self.recipe.train
        return self.data.training_batches(train.batch_size, train.seed, start)

    def validation_examples(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the middles of the photographs that are held out."""
        return self.data.validation_examples()

    def samples(self, shipped: Restorer) -> Drawn:
        """Enlarge photographs of the validation part."""
        return Drawn("photograph", before_and_after(enlarger_of(shipped), self.data), {})

    def evaluate(
        self, model: Restorer, settings: RestorationEvaluateConfig, figures: Path
    ) -> list[Metric]:
        """Measure PSNR and SSIM on photographs that were not trained on, beside bicubic."""
        return evaluate(enlarger_of(model), self.data, settings)


def enlarger_of(model: Restorer) -> Enlarger:
    """Return what enlarges photographs with a Keras model."""
    config = model.config
    return Enlarger(network_of(model), config.scale, config.channels, model.reach)


def before_and_after(
    enlarger: Enlarger, data: Photographs, count: int = SAMPLES
) -> list[Photograph]:
    """Return photographs of the validation part, each enlarged bicubically and by a model."""
    found = []
    for pixels in data.pictures("validation")[:count]:
        small = bicubic.shrink(pixels, enlarger.scale)
        plain = Photograph.of(bicubic.enlarge(small, enlarger.scale))
        found += [plain, enlarger(Photograph.of(small))]
    return found
