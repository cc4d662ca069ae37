"""What a detector is made of, as data."""

from typing import Annotated, Literal

from pydantic import Field

from zoo.config import Config
from zoo.data.scenes.config import EMOJI

Positive = Annotated[int, Field(gt=0)]
CELL = 4  # pixels of a side of what one answer is about


class DetectorConfig(Config):
    """Configuration of `zoo.judge.scenes.detector.Detector`.

    Args:
        size: height and width of pictures.
        things: that it tells apart: ten digits, and the emoji.
        channels: width of each of three levels, finest first; each halves the picture.

    Example:
        >>> DetectorConfig().cells
        16
    """

    family: Literal["detector"] = "detector"
    size: Annotated[int, Field(ge=64, multiple_of=16)] = 64
    things: Annotated[int, Field(ge=10)] = 10 + len(EMOJI)
    channels: tuple[Positive, Positive, Positive] = (16, 48, 96)

    @property
    def cells(self) -> int:
        """Answers along a side of a picture."""
        return self.size // CELL


class DetectorEvaluateConfig(Config):
    """The `[evaluate]` table of a detector's recipe.

    Args:
        limit: evaluate the first so many test scenes; all of them unless given.
    """

    limit: Annotated[int, Field(ge=1)] | None = None
