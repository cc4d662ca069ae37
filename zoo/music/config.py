"""What a network of four-part music is made of, as data."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from serving.music.grid import BAR, Pitches
from zoo.transformer.config import GPTConfig, Positive

Pitch = Annotated[int, Field(ge=0, le=127)]


class MusicConfig(GPTConfig):
    """Configuration of `zoo.MusicTransformer`: that of a Transformer, and what its tokens mean.

    Args:
        lowest, highest: MIDI pitches that there are tokens for, of all voices; with silence and the
            blank they make up `vocabulary_size`, which is left out.
        order: `time`, in which each note is drawn from those before it, voice by voice from the
            soprano down and step by step; or `any`, in which notes are drawn from all that are
            known, whether before or behind (Uria et al. 2014, arXiv:1310.1757; Huang et al. 2017,
            arXiv:1903.07227).
        calibration: by which logits are divided, so that the network is as sure as it is right
            (Guo et al. 2017, arXiv:1706.04599): found on the validation part once it is trained.

    Example:
        >>> config = MusicConfig(lowest=36, highest=81, order="any")
        >>> config.vocabulary_size, config.causal, config.bars
        (48, False, 16)
    """

    family: Literal["music"] = "music"
    vocabulary_size: Positive = 48
    context: Positive = 1024
    positions: Literal["rotary", "learned", "relative"] = "relative"
    lowest: Pitch = 36
    highest: Pitch = 81
    order: Literal["time", "any"] = "time"
    calibration: Annotated[float, Field(gt=0)] = 1.0

    @model_validator(mode="before")
    @classmethod
    def _derived(cls, values: Any) -> Any:
        """Fill in what follows from the pitches."""
        if not isinstance(values, dict):
            return values
        fields = cls.model_fields
        lowest, highest = (values.get(key, fields[key].default) for key in ("lowest", "highest"))
        derived = {}
        if isinstance(lowest, int) and isinstance(highest, int) and highest > lowest:
            derived["vocabulary_size"] = Pitches(lowest, highest).vocabulary_size
        return derived | values

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written = super()._without_defaults(handler)
        written.pop("vocabulary_size")  # which follows from the rest
        return written

    @model_validator(mode="after")
    def _music_holds_together(self) -> Self:
        if self.highest <= self.lowest:
            raise ValueError(f"highest {self.highest} is not above lowest {self.lowest}")
        if self.vocabulary_size != self.pitches.vocabulary_size:
            raise ValueError(
                f"vocabulary_size is {self.vocabulary_size}, and pitches {self.lowest} to "
                f"{self.highest} with silence and the blank are {self.pitches.vocabulary_size}; "
                "leave it out"
            )
        if self.context % BAR:
            raise ValueError(
                f"context {self.context} is no number of whole bars; make it a multiple of {BAR}"
            )
        return self

    @property
    def causal(self) -> bool:
        """Whether a note is drawn from those before it alone."""
        return self.order == "time"

    @property
    def pitches(self) -> Pitches:
        """The pitches that there are tokens for."""
        return Pitches(self.lowest, self.highest)

    @property
    def bars(self) -> int:
        """How many bars the network sees at once."""
        return self.context // BAR
