"""Which sequences of moving digits there are, as data."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from zoo.config import Config

FRAMES = 20  # of a sequence
GIVEN = 10  # of them, by which the others are predicted


class Kind(NamedTuple):
    """What the digits are of, and how large a frame is."""

    digits: str
    size: int


# `moving-digits` needs no download.
KINDS = {"moving-mnist": Kind("mnist", 64), "moving-digits": Kind("digits", 16)}
# Images of a data set are frames of so many sequences, one of each.
IMAGES = {"train": 40_000, "validation": 2000, "test": 2000}


class MovingConfig(Config):
    """The `[data]` table of a recipe that learns from moving digits.

    Args:
        name: `moving-mnist`, 64x64 with digits of MNIST, or `moving-digits`, 16x16 with those of
            `digits`.
        count: sequences to train on; the first of them are the same, however many there are.
        validation, test: sequences to choose the best weights by, and to report on; the protocol
            has 10,000 to report on.
        seed: of which sequences there are.

    Example:
        >>> MovingConfig().counts["test"], MovingConfig().frame_shape
        (1000, (64, 64, 1))
    """

    name: Literal["moving-mnist", "moving-digits"] = "moving-mnist"
    count: Annotated[int, Field(ge=1, le=1_000_000)] = 4000
    validation: Annotated[int, Field(ge=1, le=100_000)] = 100
    test: Annotated[int, Field(ge=1, le=100_000)] = 1000
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @property
    def kind(self) -> Kind:
        """What the digits are of, and how large a frame is."""
        return KINDS[self.name]

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a frame."""
        return self.kind.size, self.kind.size, 1

    @property
    def counts(self) -> dict[str, int]:
        """How many sequences each part has."""
        return {"train": self.count, "validation": self.validation, "test": self.test}
