"""The recipe of a network that paints photographs in any style."""

from typing import Any, ClassVar

from zoo.recipe import Recipe
from zoo.style.config import StyleConfig
from zoo.style.data import StyleDataConfig
from zoo.style.evaluate import StyleEvaluateConfig
from zoo.style.model import Restyler
from zoo.style.task import StyleTask


class StyleRecipe(Recipe):
    """Photographs and paintings, a `zoo.Restyler`, and what per-image optimisation would reach."""

    model: StyleConfig
    data: StyleDataConfig
    evaluate: StyleEvaluateConfig = StyleEvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {
        "model.blocks": 1,
        "train.epochs": 2,
        "train.batch_size": 2,
        "train.steps_per_epoch": 2,
        "data.limit": 8,
        "data.validation": 4,
        "data.patch": 32,
        "data.crops": 40,
        "evaluate.pairs": 2,
        "evaluate.steps": 3,
        "evaluate.side": 32,
    }

    def build(self) -> Restyler:
        """Make the model, untrained."""
        return Restyler(self.model)

    def task(self) -> StyleTask:
        """Read photographs and paintings."""
        return StyleTask(self)
