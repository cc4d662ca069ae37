"""How a network that repairs photographs is trained: on patches that are degraded as they come."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from serving.photographs.photograph import Photograph
from serving.photographs.repairing import Mender
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.repair.data import Batch, RepairPhotographs, scaled
from zoo.repair.degradations import degrade
from zoo.repair.evaluate import RepairEvaluateConfig, evaluate
from zoo.repair.model import Repairer, network_of
from zoo.task import Drawn
from zoo.training.array_task import OneOptimizerTask
from zoo.training.optimizers import optimizer

COLOURED = 128  # pixels of the shorter side in which colours are found
DEPTH = 12  # pixels from what is known to the inside of a hole, which is filled before the rest
SAMPLES = 2  # photographs, each degraded for every task, which is a row of a sheet
SAMPLE_SIDE = 128  # pixels of the shorter side, at most
SAMPLE_SEED = 3


class RepairTask(OneOptimizerTask):
    """The photographs of a recipe, and how a model learns from them; see `zoo.task.Task`.

    Args:
        recipe: with `[model]` a `RepairConfig` and `[data]` a `RepairDataConfig`.
    """

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        train = recipe.train
        self.data = RepairPhotographs(recipe.data, recipe.model.tasks)
        self.source = self.data.source
        self.steps_per_epoch = train.steps_per_epoch or self.data.steps_per_epoch(train.batch_size)
        self.smallest_batch = train.batch_size

    def compile(self, model: Repairer, total_steps: int) -> None:
        """Give the model its optimizer, and its discriminator one; averages are what ships."""
        config = self.recipe.train
        opponent = None
        if self.recipe.model.adversarial:
            opponent = optimizer(config.model_copy(update={"ema": 0.0}), total_steps)
        model.compile(optimizer(config, total_steps), opponent, jit_compile=config.jit_compile)

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches of patches without end, from step `start` on."""
        train = self.recipe.train
        return self.data.training_batches(train.batch_size, train.seed, start)

    def validation_examples(self) -> Batch:
        """Return the middles of the photographs that are held out, degraded for each task."""
        return self.data.validation_examples()

    def samples(self, shipped: Repairer) -> Drawn:
        """Repair photographs of the validation part."""
        return Drawn("photograph", before_and_after(mender_of(shipped), self.data), {})

    def evaluate(
        self, model: Repairer, settings: RepairEvaluateConfig, figures: Path
    ) -> list[Metric]:
        """Measure PSNR and SSIM on photographs that were not trained on, beside plain ways."""
        return evaluate(mender_of(model), self.data, settings)


def mender_of(model: Repairer) -> Mender:
    """Return what repairs photographs with a Keras model."""
    config = model.config
    return Mender(network_of(model), config.tasks, config.multiple, model.reach, COLOURED, DEPTH)


def before_and_after(
    mender: Mender, data: RepairPhotographs, count: int = SAMPLES
) -> list[Photograph]:
    """Return photographs of the validation part, for each task degraded and repaired."""
    pictures = data.pictures("validation")[:count]
    found = []
    for at, task in enumerate(data.tasks):
        for row, pixels in enumerate(pictures):
            small = scaled(pixels, min(SAMPLE_SIDE, *pixels.shape[:2]))
            degraded = degrade(small, task, np.random.RandomState([SAMPLE_SEED, row, at]))
            mask = degraded.mask if degraded.mask.any() else None
            repaired = mender.pixels(degraded.pixels, task, mask)
            found += [Photograph.of(degraded.pixels), Photograph.of(repaired)]
    return found
