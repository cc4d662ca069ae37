"""What a flow is made of, as data."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from serving.families.flow.path import Course, Solver
from zoo.config import Config
from zoo.transformer.config import GPTConfig

Positive = Annotated[int, Field(gt=0)]
Strength = Annotated[float, Field(ge=0, le=100)]


class FlowConfig(Config):
    """Configuration of `zoo.Flow`.

    Args:
        image_shape: height, width and channels (1 or 3); `patch` divides height and width.
        patch: pixels of a side of what the Transformer sees as one token.
        layers, width, heads: of the Transformer.
        classes: 0 for an unconditional model, else the number of labels.
        unlabelled: share of images whose label is hidden while training, so that labels can steer
            more or less strongly when drawing.
        times: of what is learned from: `uniform`, or `logit_normal`, more often halfway between
            noise and image (Esser et al. 2024, arXiv:2403.03206).
        segments: 0 to learn the velocity; else what is learned is to cross each of so many equal
            parts of the path in one step, as a teacher does in many (`train.teacher`).
        steps, guidance, solver: how it draws unless told otherwise, see
            `serving.families.flow.path.Course`. With `segments`, `guidance` is what the teacher is
            followed with, and is learned.

    Example:
        >>> config = FlowConfig(image_shape=(28, 28, 1), patch=4, width=64, heads=2)
        >>> config.tokens, config.course.steps
        (49, 20)
    """

    family: Literal["flow"] = "flow"
    image_shape: tuple[Positive, Positive, Positive] = (28, 28, 1)
    patch: Positive = 4
    layers: Positive = 6
    width: Positive = 192
    heads: Positive = 6
    classes: Annotated[int, Field(ge=0)] = 0
    unlabelled: Annotated[float, Field(ge=0, le=1)] = 0.1
    times: Literal["uniform", "logit_normal"] = "logit_normal"
    segments: Annotated[int, Field(ge=0, le=64)] = 0
    steps: Positive = 20
    guidance: Strength = 1.0
    solver: Solver = "heun"

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        height, width, channels = self.image_shape
        if channels not in (1, 3):
            raise ValueError(
                f"image_shape has {channels} channels; expected 1 (grey) or 3 (colour)"
            )
        if height % self.patch or width % self.patch:
            raise ValueError(
                f"images of {height}x{width} do not divide into patches of {self.patch}; choose a "
                "patch that divides both"
            )
        if self.segments and (self.steps, self.solver) != (self.segments, "euler"):
            raise ValueError(
                f"with {self.segments} segments each step crosses one; set model.steps to "
                f"{self.segments} and model.solver to euler"
            )
        if self.guidance != 1 and not self.classes:
            raise ValueError("guidance goes with labels; leave it out, or set model.classes")
        _ = self.transformer
        return self

    @property
    def tokens(self) -> int:
        """Patches of an image."""
        height, width, _ = self.image_shape
        return height // self.patch * (width // self.patch)

    @property
    def course(self) -> Course:
        """How it draws unless told otherwise; what is learned of guidance is in the network."""
        return Course(self.steps, 1.0 if self.segments else self.guidance, self.solver)

    @property
    def transformer(self) -> GPTConfig:
        """Sizes and kinds of the layers that are those of a Transformer."""
        return GPTConfig(
            vocabulary_size=1,
            context=self.tokens,
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            positions="learned",
            activation="gelu",
            bias=True,
        )
