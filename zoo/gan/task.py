"""How a GAN is trained: on images, by two optimizers, judged by somebody else."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from zoo.evaluation import Metric
from zoo.evaluation.distances import frechet_distance
from zoo.evaluation.neighbours import coverage, diversity
from zoo.evaluation.transfer import transfer_accuracy
from zoo.gan.collapse import CollapseNotice
from zoo.gan.evaluate import GANEvaluateConfig, drawn, evaluate
from zoo.gan.gan import GAN
from zoo.judge import ClassifierConfig, load_judge
from zoo.training.image_task import ImageTask
from zoo.training.optimizers import optimizer

SPREAD_IMAGES = 1000  # of which coverage and diversity are measured after each epoch


class GANTask(ImageTask):
    """The images of a recipe, and how a GAN learns from them; see `zoo.training.task.Task`."""

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
        """
        settings = self.recipe.evaluate
        judge = load_judge(settings.judge)
        images, _ = self.images.arrays("validation")
        real = judge.features(images[: settings.validation_samples])

        def measure() -> dict[str, float]:
            images, *_ = drawn(shipped.generate, len(real), shipped.config.classes, settings.seed)
            features = judge.features(images.astype(np.float32) / 255)
            some = features[:SPREAD_IMAGES]
            return {
                "val_loss": frechet_distance(features, real),
                "coverage": coverage(some, real[:SPREAD_IMAGES]),
                "diversity": diversity(some),
            }

        return measure

    def callbacks(self, history: Path) -> list[keras.callbacks.Callback]:
        """Return what says when samples become less varied."""
        return [CollapseNotice(("coverage", "diversity"), history=history)]

    def evaluate(self, model: GAN, settings: GANEvaluateConfig, figures: Path) -> list[Metric]:
        """Measure images against the test split; see `zoo.evaluation.samples`."""
        judge = load_judge(settings.judge)
        splits = (self.images.arrays(split) for split in ("test", "validation"))
        metrics = list(evaluate(model.generate, model.config.classes, judge, *splits, settings))
        return [*metrics, self._lesson(model, settings)] if settings.lesson else metrics

    def _lesson(self, model: GAN, settings: GANEvaluateConfig) -> Metric:
        """Train a classifier on generated images, and one on real ones, and test both."""
        config = model.config
        generated = drawn(model.generate, settings.lesson, config.classes, settings.seed)
        test, real = self.images.arrays("test"), self.images.arrays("train")
        return transfer_accuracy(
            generated,
            test,
            ClassifierConfig(image_shape=config.image_shape, classes=config.classes),
            real=tuple(part[: settings.lesson] for part in real),
        )
