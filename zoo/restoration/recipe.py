"""The recipe of a network that enlarges photographs."""

from typing import Any, ClassVar

from zoo.recipe import Recipe
from zoo.restoration.config import RestorationConfig
from zoo.restoration.data import PhotographsConfig
from zoo.restoration.evaluate import RestorationEvaluateConfig
from zoo.restoration.model import Restorer
from zoo.restoration.task import RestorationTask


class RestorationRecipe(Recipe):
    """Photographs, a `zoo.Restorer`, and PSNR as the measure."""

    model: RestorationConfig
    data: PhotographsConfig
    evaluate: RestorationEvaluateConfig = RestorationEvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {
        "train.epochs": 2,
        "train.batch_size": 4,
        "train.steps_per_epoch": 4,
        "data.limit": 8,
        "data.validation": 4,
        "data.patch": 12,
        "evaluate.limit": 4,
    }

    def build(self) -> Restorer:
        """Make the model, untrained."""
        return Restorer(self.model)

    def task(self) -> RestorationTask:
        """Read the photographs."""
        return RestorationTask(self)
