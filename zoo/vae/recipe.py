"""The recipe of a VAE."""

from typing import Any, ClassVar, Self

from pydantic import model_validator

from zoo.data.images import ImagesConfig
from zoo.recipe import Recipe
from zoo.vae.config import VAEConfig
from zoo.vae.evaluation.config import EvaluateConfig
from zoo.vae.task import VAETask
from zoo.vae.vae import VAE


class VAERecipe(Recipe):
    """Images, a `zoo.VAE`, and its likelihood as the measure."""

    model: VAEConfig
    data: ImagesConfig
    evaluate: EvaluateConfig = EvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {
        **Recipe.quick,
        "data.limit": 256,
        "data.validation": 64,
        "evaluate.limit": 64,
        "evaluate.importance_samples": 16,
    }

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.model.likelihood == "bernoulli" and not self.data.binarize:
            raise ValueError(
                "a Bernoulli likelihood is one of binary images; set data.binarize=true, or "
                "model.likelihood=discretized_logistic for grey levels and colours"
            )
        if self.data.mixup:
            raise ValueError(
                "a VAE would learn to draw images that lie over each other; leave data.mixup out"
            )
        return self

    def build(self) -> VAE:
        """Make the model, untrained."""
        return VAE(self.model, seed=self.train.seed)

    def task(self) -> VAETask:
        """Read the images."""
        return VAETask(self)
