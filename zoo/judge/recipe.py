"""The recipe of a judge."""

from typing import Any, ClassVar

from zoo.data.images import ImagesConfig
from zoo.judge.classifier import Classifier
from zoo.judge.config import ClassifierConfig, ClassifierEvaluateConfig
from zoo.judge.task import ClassifierTask
from zoo.recipe import Recipe


class ClassifierRecipe(Recipe):
    """Labelled images, a `zoo.judge.Classifier`, and its accuracy as the measure."""

    model: ClassifierConfig
    data: ImagesConfig
    evaluate: ClassifierEvaluateConfig = ClassifierEvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {
        **Recipe.quick,
        "data.limit": 256,
        "data.validation": 64,
        "evaluate.limit": 64,
    }

    def build(self) -> Classifier:
        """Make the model, untrained."""
        return Classifier(self.model, seed=self.train.seed)

    def task(self) -> ClassifierTask:
        """Read the images."""
        return ClassifierTask(self)
