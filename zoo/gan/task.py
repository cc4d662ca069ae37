"""How a GAN is trained: on images, by two optimizers, judged by somebody else."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from zoo.evaluation.distances import frechet_distance
from zoo.evaluation.neighbours import coverage, diversity
from zoo.gan import implicit
from zoo.gan.collapse import CollapseNotice
from zoo.gan.gan import GAN
from zoo.judge.generators import GeneratorEvaluateConfig, chosen_judge, drawn, evaluate
from zoo.metric import Metric
from zoo.training.image_task import ImageTask
from zoo.training.optimizers import optimizer

VARIETY_IMAGES = 1000  # of which coverage and diversity are measured after each epoch


class GANTask(ImageTask):
    """The images of a recipe, and how a GAN learns from them; see `zoo.task.Task`."""

    def compile(self, model: GAN, total_steps: int) -> None:
        """Give the model its two optimizers; the generator's averages are what ships."""
        config, networks = self.recipe.train, self.recipe.model
        rate = config.learning_rate * networks.learning_rate_ratio
        opponent = config.model_copy(update={"learning_rate": rate, "ema": 0.0})
        model.compile(
            optimizer(config, total_steps),
            optimizer(opponent, total_steps * networks.discriminator_steps),
            jit_compile=config.jit_compile,
        )

    def validation(self, shipped: GAN) -> Callable[[], dict[str, float]]:
        """Return what measures the Frechet distance to held-out images, and how varied samples are.

        The latents are the same after every epoch.

        Raises:
            UsageError: the judge is not there, or cannot judge such images.
        """
        settings = self.recipe.evaluate
        judge = chosen_judge(settings, self.images)
        images, _ = self.images.arrays("validation")
        real = judge.features(images[: settings.validation_samples])

        def measure() -> dict[str, float]:
            images, *_ = drawn(shipped.generate, len(real), shipped.config.classes, settings.seed)
            features = judge.features(images.astype(np.float32) / 255)
            some = features[:VARIETY_IMAGES]
            return {
                "val_loss": frechet_distance(features, real),
                "coverage": coverage(some, real[:VARIETY_IMAGES]),
                "diversity": diversity(some),
            }

        return measure

    def callbacks(self, history: Path) -> list[keras.callbacks.Callback]:
        """Return what says when samples become less varied."""
        return [CollapseNotice(("coverage", "diversity"), history=history)]

    @property
    def data_classes(self) -> int:
        """Labels that are read from the data set; none where classes are to be found."""
        return self.recipe.model.data_classes

    def evaluate(
        self, model: GAN, settings: GeneratorEvaluateConfig, figures: Path
    ) -> list[Metric]:
        """Measure images against the test split; see `zoo.judge.generators`."""
        if self.recipe.model.implicit:
            return implicit.evaluate(model, self.images, settings, self.recipe.model.classes)
        return evaluate(model.generate, self.images, settings)
