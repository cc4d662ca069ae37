"""Which variations there are, as keys of the `[data]` table of every recipe of images."""

from typing import Annotated, ClassVar

from pydantic import Field

from serving.errors import UsageError
from zoo.config import Config

Strength = Annotated[float, Field(ge=0, le=1)]


class AugmentationConfig(Config):
    """What every recipe of images can vary, besides where things lie in them; nothing by default.

    Args:
        brightness: add up to this much to all of an image, either way; white is 1.
        contrast: scale how far an image is from its mean by `1 - contrast` to `1 + contrast`.
        saturation: scale how far colours are from grey by `1 - saturation` to `1 + saturation`.
        mixup: lay another image of the batch over each, in shares of a Beta distribution with both
            parameters this, and its label or target with it (Zhang et al. 2018, arXiv:1710.09412).
        adversarial: add this much to each value, or take it away, whichever makes the loss larger
            (the fast gradient sign method, Goodfellow et al. 2015, arXiv:1412.6572).

    Example:
        >>> AugmentationConfig(brightness=0.2).colours
        True
    """

    later: ClassVar[tuple[str, ...]] = (
        *("brightness", "contrast", "saturation", "mixup", "adversarial"),
    )

    brightness: Strength = 0.0
    contrast: Strength = 0.0
    saturation: Strength = 0.0
    mixup: Annotated[float, Field(ge=0)] = 0.0
    adversarial: Strength = 0.0

    @property
    def colours(self) -> bool:
        """Whether levels of images are varied."""
        return bool(self.brightness or self.contrast or self.saturation)

    def check_channels(self, channels: int) -> None:
        """Raise `UsageError` where grey images are to be varied in saturation."""
        if self.saturation and channels == 1:
            raise UsageError(
                f"data.saturation is {self.saturation}, and images of one channel have none; leave "
                "it out"
            )
