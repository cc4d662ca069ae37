"""The recipe of a tokenizer of images."""

from typing import Any, ClassVar, Self

from pydantic import model_validator

from zoo.codes.codes import Codes
from zoo.codes.config import CodesConfig
from zoo.codes.evaluate import CodesEvaluateConfig
from zoo.codes.task import CodesTask
from zoo.data.images import Images, ImagesConfig
from zoo.recipe import Recipe

MEASURED = 1000  # images, of which the mean is taken


class CodesRecipe(Recipe):
    """Images, a `zoo.Codes`, and what is left of images as the measure."""

    model: CodesConfig
    data: ImagesConfig
    evaluate: CodesEvaluateConfig = CodesEvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {
        **Recipe.quick,
        "data.limit": 256,
        "data.validation": 64,
    }
    part: ClassVar[str] = "codes"

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.data.binarize:
            raise ValueError("codes tell grey levels; set data.binarize=false")
        if self.data.mixup or self.data.adversarial:
            raise ValueError(
                "codes would learn to tell images that lie over each other, or noise; leave "
                "data.mixup and data.adversarial out"
            )
        return self

    def completed(self) -> Self:
        """Return the recipe with the mean of its images."""
        if self.model.mean is not None:
            return self
        limit = min(self.data.limit or MEASURED, MEASURED)
        few = self.changed({"data.limit": limit}).data
        levels, _ = Images(few, self.model.image_shape).levels("train")
        return self.changed({"model.mean": (levels.mean(axis=(0, 1, 2)) / 255).round(3).tolist()})

    def build(self) -> Codes:
        """Make the model, untrained."""
        return Codes(self.model)

    def task(self) -> CodesTask:
        """Read the images."""
        return CodesTask(self)
