"""How a model is evaluated, as data."""

from typing import Annotated

from pydantic import Field

from serving.noise import SEED_LIMIT
from zoo.config import Config


class EvaluateConfig(Config):
    """The `[evaluate]` table of a recipe.

    Args:
        importance_samples: latent samples per image, K, of the importance-weighted likelihood.
        limit: evaluate the first so many test images; all of them unless given.
        batch_size: images or latents that go through a network at once. It bounds memory and sets
            the speed, and changes no value.
        seed: of the binarization and of the latent samples.

    Example:
        >>> EvaluateConfig(importance_samples=500).limit is None
        True
    """

    importance_samples: Annotated[int, Field(ge=1)] = 5000
    limit: Annotated[int, Field(ge=1)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 2000
    seed: Annotated[int, Field(ge=0, lt=SEED_LIMIT)] = 0
