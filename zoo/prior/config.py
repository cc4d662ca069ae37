"""What a prior of codes is made of, as data."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from serving.families.codes.course import Course, Filling
from zoo.config import Config
from zoo.transformer.config import GPTConfig

Positive = Annotated[int, Field(gt=0)]
Strength = Annotated[float, Field(ge=0, le=100)]
Temperature = Annotated[float, Field(ge=0, le=10)]


class PriorConfig(Config):
    """Configuration of `zoo.Prior`.

    Args:
        codes: the run of the codes, a bundle of such, or a name of `genzoo list`.
        positions, vocabulary: codes of an image, and different codes; those of the run of the codes
            unless given.
        filling: `parallel`, any code is learned from all that are there, and many are drawn at
            once; or `next`, each from those before it, and one is drawn at a time, whatever `steps`
            says.
        layers, width, heads: of the Transformer.
        classes: 0 for a prior without labels, else their number.
        words: most words of a caption; 0 for a prior without captions.
        vocabulary_of_words: room for different words, with the two that are none.
        unlabelled: share of images whose label or caption is hidden while training, so that they
            can steer more or less strongly when drawing.
        scorer: the run of a scorer of captions, by which the best of several images can be chosen;
            none unless given. Nothing is learned from it.
        steps, guidance, temperature, order: how it draws unless told otherwise, see
            `serving.families.codes.course.Course`.

    Example:
        >>> config = PriorConfig(codes="runs/codes", positions=49, vocabulary=240, classes=10)
        >>> config.conditions, config.course.steps
        (1, 8)
    """

    later: ClassVar[tuple[str, ...]] = ("scorer",)

    family: Literal["code_prior"] = "code_prior"
    codes: str
    positions: Positive | None = None
    vocabulary: Positive | None = None
    filling: Filling = "parallel"
    layers: Positive = 4
    width: Positive = 128
    heads: Positive = 4
    classes: Annotated[int, Field(ge=0)] = 0
    words: Annotated[int, Field(ge=0, le=1024)] = 0
    vocabulary_of_words: Annotated[int, Field(ge=3, le=2**16)] = 256
    unlabelled: Annotated[float, Field(ge=0, le=1)] = 0.1
    scorer: str | None = None
    steps: Positive = 8
    guidance: Strength = 1.0
    temperature: Temperature = 1.0
    order: Strength = 4.5

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.classes and self.words:
            raise ValueError("a prior has labels or captions, not both; set one of them to 0")
        if self.scorer and not self.words:
            raise ValueError("a scorer goes with captions; set model.words, or leave scorer out")
        if self.guidance != 1 and not self.conditions:
            raise ValueError("guidance goes with labels or captions; leave it out, or set those")
        if self.positions is not None and self.course.steps > self.positions:
            raise ValueError(
                f"{self.steps} steps cannot each fill one of {self.positions} places; lower "
                "model.steps"
            )
        _ = self.transformer
        return self

    @property
    def conditions(self) -> int:
        """Tokens that say what is to be drawn."""
        return 1 if self.classes else self.words

    @property
    def course(self) -> Course:
        """How it draws unless told otherwise."""
        one_by_one = self.filling == "next" and self.positions
        steps = one_by_one or self.steps
        return Course(steps, self.guidance, self.temperature, self.order, self.filling)

    @property
    def transformer(self) -> GPTConfig:
        """Sizes and kinds of the layers that are those of a Transformer."""
        return GPTConfig(
            vocabulary_size=self.vocabulary or 1,
            context=self.conditions + (self.positions or 1),
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            normalisation="layer",
            positions="learned",
            activation="gelu",
            bias=True,
        )
