"""What a scorer is made of, as data."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from serving.scenes.grammar import LONGEST
from zoo.config import Config

Positive = Annotated[int, Field(gt=0)]


class ScorerConfig(Config):
    """Configuration of `zoo.scorer.scorer.Scorer`.

    Args:
        size: height and width of pictures.
        channels: width of each level of the picture's encoder, finest first; each halves.
        words: most words of a caption.
        vocabulary_of_words: room for different words, with the two that are none.
        word_width: of a word.
        hidden: width of the layer between words and meaning.
        width: of what pictures and captions are compared by.

    Example:
        >>> ScorerConfig(channels=(8, 8)).corner
        16
    """

    family: Literal["scorer"] = "scorer"
    size: Annotated[int, Field(ge=64, multiple_of=16)] = 64
    channels: Annotated[tuple[Positive, ...], Field(min_length=1, max_length=4)] = (16, 32, 64, 96)
    words: Positive = LONGEST
    vocabulary_of_words: Annotated[int, Field(ge=3, le=2**16)] = 96
    word_width: Positive = 32
    hidden: Positive = 256
    width: Positive = 128

    @property
    def corner(self) -> int:
        """Height and width of what is left of a picture."""
        return self.size >> len(self.channels)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.words < LONGEST:
            raise ValueError(
                f"captions of scenes have up to {LONGEST} words; raise words from {self.words}"
            )
        return self


class ScorerEvaluateConfig(Config):
    """The `[evaluate]` table of a scorer's recipe.

    Args:
        limit: evaluate the first so many test scenes; all of them unless given.
        seed: of the wrong captions.
    """

    limit: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
