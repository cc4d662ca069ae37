"""The recipe of a network that repairs photographs."""

from typing import Any, ClassVar

from zoo.recipe import Recipe
from zoo.repair.config import RepairConfig
from zoo.repair.data import RepairDataConfig
from zoo.repair.evaluate import RepairEvaluateConfig
from zoo.repair.model import Repairer
from zoo.repair.task import RepairTask


class RepairRecipe(Recipe):
    """Photographs, a `zoo.Repairer`, and PSNR of each task as the measure."""

    model: RepairConfig
    data: RepairDataConfig
    evaluate: RepairEvaluateConfig = RepairEvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {
        "train.epochs": 2,
        "train.batch_size": 4,
        "train.steps_per_epoch": 4,
        "data.limit": 8,
        "data.validation": 4,
        "evaluate.limit": 4,
    }

    def build(self) -> Repairer:
        """Make the model, untrained."""
        return Repairer(self.model)

    def task(self) -> RepairTask:
        """Read the photographs."""
        return RepairTask(self)
