"""The recipe of a prior of codes."""

from typing import Any, ClassVar, Self

from pydantic import model_validator

from serving.errors import UsageError
from zoo.codes.config import CodesConfig
from zoo.data.images import ImagesConfig
from zoo.prior.config import PriorConfig
from zoo.prior.evaluate import PriorEvaluateConfig
from zoo.prior.prior import Prior
from zoo.prior.task import PriorTask
from zoo.recipe import Recipe
from zoo.scorer.config import ScorerConfig
from zoo.training.beginning import recipe_of


class PriorRecipe(Recipe):
    """The codes of images, a `zoo.Prior`, and a judge's opinion as the measure."""

    model: PriorConfig
    data: ImagesConfig
    evaluate: PriorEvaluateConfig = PriorEvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {
        **Recipe.quick,
        "model.layers": 2,
        "model.width": 32,
        "model.heads": 2,
        "model.steps": 4,
        "data.limit": 256,
        "data.validation": 64,
        "evaluate.samples": 64,
        "evaluate.lesson": 0,
    }
    part: ClassVar[str] = "prior"
    earlier: ClassVar[dict[str, str]] = {"codes": "model.codes", "scorer": "model.scorer"}

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.data.binarize or self.data.mixup or self.data.adversarial:
            raise ValueError(
                "a prior learns of codes of images as they are; leave data.binarize, data.mixup "
                "and data.adversarial out"
            )
        if self.evaluate.lesson and not self.model.classes:
            raise ValueError(
                "a classifier can only learn from labelled images; set evaluate.lesson=0, or "
                "model.classes"
            )
        return self

    def completed(self) -> Self:
        """Return the recipe with the sizes of the codes."""
        codes = recipe_of(self.model.codes).model
        if not isinstance(codes, CodesConfig):
            raise UsageError(
                f"model.codes is {self.model.codes}, of family '{codes.family}'; expected a run "
                "of codes, as of the recipe codes-mnist"
            )
        sizes = {"model.positions": codes.positions, "model.vocabulary": codes.vocabulary}
        if self.model.scorer is not None:
            scorer = recipe_of(self.model.scorer).model
            if not isinstance(scorer, ScorerConfig) or scorer.words != self.model.words:
                raise UsageError(
                    f"model.scorer is {self.model.scorer}, of family '{scorer.family}'; expected a "
                    f"run of a scorer of captions of {self.model.words} words, as of the recipe "
                    "scorer-scenes"
                )
        return self.changed(sizes)

    def build(self) -> Prior:
        """Make the model, untrained."""
        return Prior(self.model)

    def task(self) -> PriorTask:
        """Read the images and tell them by codes."""
        return PriorTask(self)
