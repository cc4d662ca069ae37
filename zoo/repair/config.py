"""What a network that repairs photographs is made of, as data."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from serving.photographs.tasks import TASKS
from zoo.config import Config

Positive = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Task = Literal["inpaint", "colourise", "deblur", "denoise"]


class RepairConfig(Config):
    """Configuration of `zoo.Repairer`.

    Args:
        tasks: what the network learns, see `zoo.repair.degradations`.
        channels: of each level of the U-Net, the finest first; each but the first is at half the
            height and width of the one before.
        depth: residual blocks at the coarsest level.
        adversarial_weight: of the discriminator's opinion beside the mean absolute error; 0 for
            none.
        feature_weight: of how far the discriminator's features of what was repaired are from those
            of the real photograph; 0 for none.
        judged: tasks of which a discriminator has an opinion: those of which many answers are
            right. Of the others the error alone counts.
        discriminator_channels: of its convolutions, each of which halves height and width.

    Example:
        >>> RepairConfig(channels=(8, 16)).multiple
        2
    """

    family: Literal["repair"] = "repair"
    tasks: tuple[Task, ...] = TASKS
    channels: tuple[Positive, ...] = (24, 48, 96, 128)
    depth: Positive = 3
    adversarial_weight: Weight = 0.0
    feature_weight: Weight = 0.0
    judged: tuple[Task, ...] = ("inpaint", "colourise")
    discriminator_channels: tuple[Positive, ...] = (32, 64, 128)

    @property
    def multiple(self) -> int:
        """Of which height and width of an image are multiples."""
        return int(2 ** (len(self.channels) - 1))

    @property
    def adversarial(self) -> bool:
        """Whether there is a discriminator."""
        return bool(self.adversarial_weight or self.feature_weight)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if not self.tasks or len({*self.tasks}) < len(self.tasks):
            raise ValueError(f"tasks is {list(self.tasks)}; name one at least, and each once")
        if not self.channels:
            raise ValueError("channels is empty; give those of one level at least")
        if self.adversarial and not (
            {*self.judged} & {*self.tasks} and self.discriminator_channels
        ):
            raise ValueError(
                "a discriminator judges none of the tasks, or has no channels; set judged to some "
                "of the tasks, or adversarial_weight and feature_weight to 0"
            )
        return self
