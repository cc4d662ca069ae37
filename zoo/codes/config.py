"""What a tokenizer of images is made of, as data."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo.config import Config

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Level = Annotated[int, Field(ge=2, le=64)]
MOST_CODES = 2**16


class CodesConfig(Config):
    """Configuration of `zoo.Codes`.

    Args:
        image_shape: height, width and channels (1 or 3); `stride` divides height and width.
        mean: of each channel, in [0, 1], taken off before images are told and put back after; of a
            thousand images of the data set unless given. Where most of an image is of one colour,
            all would else end as one code, the bounds of `fsq` being passed on the way to it.
        channels: of each halving of the image, the finest first; the encoder halves as often as
            there are entries.
        blocks: residual blocks at each size.
        quantizer: `fsq`, which rounds a few numbers, or `vq`, which takes the nearest of many
            vectors.
        levels: of `fsq`: how many whole numbers each coordinate of a code can be; their product is
            the number of codes.
        vectors, dimensions: of `vq`: how many there are, and of how many numbers each.

    Example:
        >>> config = CodesConfig(image_shape=(28, 28, 1), levels=(8, 6, 5))
        >>> config.stride, config.grid, config.vocabulary, round(config.bits)
        (4, (7, 7), 240, 387)
    """

    family: Literal["image_codes"] = "image_codes"
    image_shape: tuple[Positive, Positive, Positive] = (28, 28, 1)
    mean: tuple[Share, ...] | None = None
    channels: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=6)] = (32, 64)
    blocks: Annotated[int, Field(ge=0, le=16)] = 1
    quantizer: Literal["fsq", "vq"] = "fsq"
    levels: Annotated[tuple[Level, ...], Field(min_length=1, max_length=12)] = (8, 6, 5)
    vectors: Annotated[int, Field(ge=2, le=MOST_CODES)] = 512
    dimensions: Positive = 16

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        height, width, channels = self.image_shape
        if channels not in (1, 3):
            raise ValueError(
                f"image_shape has {channels} channels; expected 1 (grey) or 3 (colour)"
            )
        if self.mean is not None and len(self.mean) != channels:
            raise ValueError(
                f"mean has {len(self.mean)} numbers; expected one for each of {channels} channels"
            )
        if height % self.stride or width % self.stride:
            raise ValueError(
                f"images of {height}x{width} cannot be halved {len(self.channels)} times, as "
                "model.channels says; give fewer channels, or another size"
            )
        if self.vocabulary > MOST_CODES:
            raise ValueError(
                f"there would be {self.vocabulary} codes; expected at most {MOST_CODES}; give "
                "fewer or smaller levels"
            )
        return self

    @property
    def stride(self) -> int:
        """Pixels of a side of the square that a code stands for."""
        return int(2 ** len(self.channels))

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of codes."""
        return self.image_shape[0] // self.stride, self.image_shape[1] // self.stride

    @property
    def positions(self) -> int:
        """Codes of an image."""
        return math.prod(self.grid)

    @property
    def vocabulary(self) -> int:
        """Number of different codes."""
        return math.prod(self.levels) if self.quantizer == "fsq" else self.vectors

    @property
    def coordinates(self) -> int:
        """Numbers that a code stands for."""
        return len(self.levels) if self.quantizer == "fsq" else self.dimensions

    @property
    def bits(self) -> float:
        """Bits that the codes of an image take, however often each comes."""
        return self.positions * math.log2(self.vocabulary)
