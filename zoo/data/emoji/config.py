"""Which emoji there are, as data."""

from typing import Annotated, Literal

from pydantic import Field

from zoo.config import Config


class EmojiConfig(Config):
    """The `[data]` table of a recipe that learns from emoji and their names.

    Args:
        name: `openmoji`.
        size: height and width of a picture.
        validation: emoji held out, spread over the training split.
        groups: of OpenMoji, such as `animals-nature`; all unless given.
        skin_tones: whether those that show somebody are there in each skin tone, and not only
            in yellow.

    Example:
        >>> EmojiConfig(groups=("food-drink",)).size
        64
    """

    name: Literal["openmoji"] = "openmoji"
    size: Annotated[int, Field(ge=8, le=256)] = 64
    validation: Annotated[int, Field(ge=1)] = 100
    groups: tuple[str, ...] = ()
    skin_tones: bool = False
