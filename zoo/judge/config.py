"""What a classifier is made of, as data."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo.config import Config

Positive = Annotated[int, Field(gt=0)]


class ClassifierConfig(Config):
    """Configuration of `zoo.judge.Classifier`.

    Args:
        image_shape: height, width and channels (1 or 3).
        classes: number of labels.
        channels: width of each block, finest first; each halves the image, rounding down.
        features: width F of the layer that images are compared by.
        rotation: degrees that training images are turned by, at most, either way.
        zoom: share that they are made larger or smaller by, at most.
        shift: pixels that they are moved by, at most, in each direction.

    Example:
        >>> ClassifierConfig(classes=26).features
        128
    """

    family: Literal["classifier"] = "classifier"
    image_shape: tuple[Positive, Positive, Positive] = (28, 28, 1)
    classes: Annotated[int, Field(ge=2)] = 10
    channels: tuple[Positive, ...] = (16, 32, 64)
    features: Positive = 128
    rotation: Annotated[float, Field(ge=0, le=180)] = 10.0
    zoom: Annotated[float, Field(ge=0, lt=1)] = 0.1
    shift: Annotated[float, Field(ge=0)] = 2.0

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        height, width, channels = self.image_shape
        if channels not in (1, 3):
            raise ValueError(
                f"image_shape has {channels} channels; expected 1 (grey) or 3 (colour)"
            )
        if not self.channels or min(height, width) < 2 ** len(self.channels):
            raise ValueError(
                f"images of {height}x{width} cannot be halved {len(self.channels)} times; "
                "give one entry of channels per halving, at least one"
            )
        return self


class ClassifierEvaluateConfig(Config):
    """The `[evaluate]` table of a judge's recipe.

    Args:
        limit: evaluate the first so many test images; all of them unless given.
    """

    limit: Annotated[int, Field(ge=1)] | None = None
