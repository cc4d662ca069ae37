"""Which scenes there are, as data."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field

from serving.scenes.grammar import Grammar
from serving.scenes.scene import Size
from zoo.config import Config

# What an emoji is called in captions, and its name in OpenMoji.
EMOJI = {
    "sun": "sun",
    "moon": "crescent moon",
    "star": "star",
    "heart": "red heart",
    "tree": "evergreen tree",
    "house": "house",
    "car": "automobile",
    "apple": "red apple",
    "mushroom": "mushroom",
    "umbrella": "umbrella",
    "butterfly": "butterfly",
    "rocket": "rocket",
}
# Pixels of a thing's longer side in a picture of 64x64; medium digits are as large as in MNIST.
_PIXELS: dict[Size, int] = {"small": 14, "medium": 20, "large": 28}
_CANVAS = 64


def _known(emoji: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [name for name in emoji if name not in EMOJI]
    if unknown or len({*emoji}) < len(emoji):
        found = f"'{unknown[0]}' is none of them" if unknown else "one of them is named twice"
        raise ValueError(f"{found}; expected emoji of {', '.join(EMOJI)}")
    return emoji


class ScenesConfig(Config):
    """The `[data]` table of a recipe that learns from scenes.

    Args:
        name: `scenes`.
        count: scenes to train on; the first of them are the same, however many there are.
        validation, test: scenes to choose the best weights by, and to report on.
        seed: of which scenes there are; which of them are held out does not depend on it.
        size: height and width of a picture.
        grid: pixels that things are moved by: of what is free beside them, as many of these as fit.
            With 8, codes of 8x8 pixels meet each thing cut in a few ways only, not in 64.
        crowded: whether scenes to train on have many things and more of them digits, from which a
            judge learns faster; validation and test are what they are otherwise.
        digits: a data set of ten labelled classes with `train` and `test` splits; `digits` needs no
            network.
        emoji: that there are, of the data set `openmoji`; with none it is not needed.

    Example:
        >>> config = ScenesConfig(digits="digits", emoji=())
        >>> config.pixels["large"], config.grammar.things[-1]
        (28, 'nine')
    """

    later: ClassVar[tuple[str, ...]] = ("grid",)

    name: Literal["scenes"] = "scenes"
    count: Annotated[int, Field(ge=1, le=1_000_000)] = 40_000
    validation: Annotated[int, Field(ge=1, le=100_000)] = 1000
    test: Annotated[int, Field(ge=1, le=100_000)] = 1000
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    size: Annotated[int, Field(ge=_CANVAS, le=256, multiple_of=16)] = _CANVAS
    grid: Annotated[int, Field(ge=1, le=32)] = 1
    crowded: bool = False
    digits: str = "mnist"
    emoji: Annotated[tuple[str, ...], AfterValidator(_known)] = tuple(EMOJI)

    @property
    def grammar(self) -> Grammar:
        """The captions of such scenes."""
        return Grammar(emoji=self.emoji)

    @property
    def pixels(self) -> dict[Size, int]:
        """The longer side of a thing, by its size."""
        return {size: side * self.size // _CANVAS for size, side in _PIXELS.items()}

    @property
    def counts(self) -> dict[str, int]:
        """How many scenes each part has."""
        return {"train": self.count, "validation": self.validation, "test": self.test}
