"""The recipe of a flow."""

from typing import Any, ClassVar, Self

from pydantic import model_validator

from zoo.data.images import ImagesConfig
from zoo.flow.config import FlowConfig
from zoo.flow.evaluate import FlowEvaluateConfig
from zoo.flow.flow import Flow
from zoo.flow.task import FlowTask
from zoo.recipe import Recipe


class FlowRecipe(Recipe):
    """Images, a `zoo.Flow`, and a judge's opinion as the measure."""

    model: FlowConfig
    data: ImagesConfig
    evaluate: FlowEvaluateConfig = FlowEvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {
        **Recipe.quick,
        "model.layers": 2,
        "model.width": 32,
        "model.heads": 2,
        "data.limit": 256,
        "data.validation": 64,
        "evaluate.samples": 64,
        "evaluate.lesson": 0,
    }

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.data.binarize:
            raise ValueError("a flow draws grey levels; set data.binarize=false")
        if self.data.mixup or self.data.adversarial:
            raise ValueError(
                "a flow would learn to draw images that lie over each other, or noise; leave "
                "data.mixup and data.adversarial out"
            )
        if self.evaluate.lesson and not self.model.classes:
            raise ValueError(
                "a classifier can only learn from labelled images; set evaluate.lesson=0, or "
                "model.classes"
            )
        if bool(self.model.segments) != bool(self.train.teacher):
            raise ValueError(
                "model.segments and train.teacher go together: a teacher is followed across each "
                "segment; set both or none"
            )
        return self

    def build(self) -> Flow:
        """Make the model, untrained."""
        return Flow(self.model)

    def task(self) -> FlowTask:
        """Read the images."""
        return FlowTask(self)
