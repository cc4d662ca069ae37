"""The recipe of a judge of scenes."""

from typing import Any, ClassVar, Self

from pydantic import model_validator

from zoo.data.scenes.config import ScenesConfig
from zoo.judge.scenes.config import DetectorConfig, DetectorEvaluateConfig
from zoo.judge.scenes.detector import Detector
from zoo.judge.scenes.task import DetectorTask
from zoo.recipe import Recipe


class DetectorRecipe(Recipe):
    """Scenes, a `zoo.judge.scenes.detector.Detector`, and what it reads right as the measure."""

    model: DetectorConfig
    data: ScenesConfig
    evaluate: DetectorEvaluateConfig = DetectorEvaluateConfig()

    # Of scenes that need no download.
    quick: ClassVar[dict[str, Any]] = {
        **Recipe.quick,
        "train.steps_per_epoch": 4,
        "model.things": 10,
        "data.digits": "digits",
        "data.emoji": (),
        "data.validation": 32,
        "evaluate.limit": 32,
    }

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        things = len(self.data.grammar.things)
        if (self.model.things, self.model.size) != (things, self.data.size):
            raise ValueError(
                f"the scenes are of {things} things and {self.data.size} pixels, the model of "
                f"{self.model.things} and {self.model.size}; set model.things and model.size to "
                "what the scenes have"
            )
        return self

    def build(self) -> Detector:
        """Make the model, untrained."""
        return Detector(self.model)

    def task(self) -> DetectorTask:
        """Read the digits and the emoji."""
        return DetectorTask(self)
