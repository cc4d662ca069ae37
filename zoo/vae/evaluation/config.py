"""How a model is evaluated, as data."""

from pathlib import Path
from typing import Annotated, ClassVar

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
        seed: of the binarization, of the latent samples, and of images that are drawn.
        judge: who compares drawn images with real ones, see `zoo.judge.load_judge`; nobody unless
            given.
        samples: images to draw for the judge, and as many real ones, if there are so many.

    Example:
        >>> EvaluateConfig(importance_samples=500).limit is None
        True
    """

    importance_samples: Annotated[int, Field(ge=1)] = 5000
    limit: Annotated[int, Field(ge=1)] | None = None
    batch_size: Annotated[int, Field(ge=1)] = 2000
    seed: Annotated[int, Field(ge=0, lt=SEED_LIMIT)] = 0
    judge: str | None = None
    samples: Annotated[int, Field(ge=30)] = 10_000

    later: ClassVar[tuple[str, ...]] = ("judge", "samples")

    def places(self) -> dict[str, Path]:
        """Return where a judge lies that is named by its work directory."""
        from zoo.judge.loading import own_judge  # which takes TensorFlow

        path = own_judge(self.judge) if self.judge else None
        return {"judge": path.absolute()} if path else {}
