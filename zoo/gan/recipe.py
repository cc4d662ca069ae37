"""The recipe of a GAN."""

from typing import Any, ClassVar, Self

from pydantic import model_validator

from zoo.data.images import ImagesConfig
from zoo.gan.config import GANConfig
from zoo.gan.gan import GAN
from zoo.gan.task import GANTask
from zoo.judge.generators import GeneratorEvaluateConfig
from zoo.recipe import Recipe


class GANRecipe(Recipe):
    """Images, a `zoo.GAN`, and a judge's opinion as the measure."""

    model: GANConfig
    data: ImagesConfig
    evaluate: GeneratorEvaluateConfig = GeneratorEvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {
        **Recipe.quick,
        "data.limit": 256,
        "data.validation": 64,
        "evaluate.samples": 64,
        "evaluate.validation_samples": 64,
        "evaluate.lesson": 0,
    }

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.data.binarize:
            raise ValueError("a GAN draws grey levels; set data.binarize=false")
        if self.data.mixup or self.data.adversarial:
            raise ValueError(
                "a GAN would learn to draw images that lie over each other, or noise; leave "
                "data.mixup and data.adversarial out"
            )
        if self.evaluate.lesson and not self.model.data_classes:
            raise ValueError(
                "a classifier can only learn from labelled images; set evaluate.lesson=0, or "
                "model.classes"
            )
        return self

    def build(self) -> GAN:
        """Make the model, untrained."""
        return GAN(self.model, seed=self.train.seed)

    def task(self) -> GANTask:
        """Read the images."""
        return GANTask(self)
