"""What a model of video is made of, as data."""

import math
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo.config import Config
from zoo.transformer.config import GPTConfig

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class VideoConfig(Config):
    """Configuration of `zoo.video.Video`.

    Args:
        codes: the run of the codes, a bundle of such, or a name of `genzoo list`; by finite
            scalar quantization, of numbers that can all be the same.
        grid: rows and columns of the codes of a frame; those of the run of the codes unless given.
        numbers, levels: of how many numbers a code is, and how many each can be; likewise.
        seen: frames that the next one is predicted from.
        layers, width, heads: of the Transformer.
        disturbed: share of the numbers of the last of these frames that are drawn anew while
            training, at most, and fewer of those before it: as what it goes on from later, its own
            predictions, is not quite right either.
        temperature: how it draws unless told otherwise, see
            `serving.families.video.following.Following`; 0 takes the middle of what is likely.

    Example:
        >>> config = VideoConfig(codes="runs/codes", grid=(8, 8), numbers=5, levels=8)
        >>> config.frame_numbers, config.vocabulary
        (320, 32768)
    """

    family: Literal["video_prediction"] = "video_prediction"
    codes: str
    grid: tuple[Positive, Positive] | None = None
    numbers: Positive | None = None
    levels: Annotated[int, Field(ge=2, le=64)] | None = None
    seen: Annotated[int, Field(ge=2, le=10)] = 4
    layers: Positive = 4
    width: Positive = 128
    heads: Positive = 4
    disturbed: Share = 0.1
    temperature: Annotated[float, Field(ge=0, le=10)] = 0.0

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        _ = self.transformer
        return self

    @property
    def positions(self) -> int:
        """Codes of a frame."""
        return math.prod(self.grid or (1,))

    @property
    def frame_numbers(self) -> int:
        """Numbers of a frame."""
        return self.positions * (self.numbers or 1)

    @property
    def vocabulary(self) -> int:
        """Number of different codes."""
        return int((self.levels or 2) ** (self.numbers or 1))

    @property
    def transformer(self) -> GPTConfig:
        """Sizes and kinds of the layers that are those of a Transformer."""
        return GPTConfig(
            vocabulary_size=self.levels or 2,
            context=self.positions,
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            normalisation="layer",
            positions="learned",
            activation="gelu",
            bias=True,
        )
