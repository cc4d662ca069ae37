"""The recipe of a scorer."""

from typing import Any, ClassVar, Self

from pydantic import model_validator

from zoo.data.scenes.config import ScenesConfig
from zoo.recipe import Recipe
from zoo.scorer.config import ScorerConfig, ScorerEvaluateConfig
from zoo.scorer.scorer import Scorer
from zoo.scorer.task import ScorerTask


class ScorerRecipe(Recipe):
    """Scenes, a `zoo.scorer.scorer.Scorer`, and how often it finds a caption as the measure."""

    model: ScorerConfig
    data: ScenesConfig
    evaluate: ScorerEvaluateConfig = ScorerEvaluateConfig()

    # Of scenes that need no download.
    quick: ClassVar[dict[str, Any]] = {
        **Recipe.quick,
        "train.steps_per_epoch": 4,
        "data.digits": "digits",
        "data.emoji": (),
        "data.validation": 32,
        "evaluate.limit": 32,
    }
    part: ClassVar[str] = "scorer"

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.model.size != self.data.size:
            raise ValueError(
                f"scenes of {self.data.size} pixels do not fit a model of {self.model.size}; set "
                f"model.size={self.data.size}"
            )
        return self

    def build(self) -> Scorer:
        """Make the model, untrained."""
        return Scorer(self.model)

    def task(self) -> ScorerTask:
        """Read the digits and the emoji."""
        return ScorerTask(self)
