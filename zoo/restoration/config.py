"""What a network that enlarges photographs is made of, as data."""

from typing import Annotated, Literal

from pydantic import Field

from zoo.config import Config

Positive = Annotated[int, Field(gt=0)]


class RestorationConfig(Config):
    """Configuration of `zoo.Restorer`.

    Args:
        architecture: `fsrcnn`, `espcn` or `residual`, see `zoo.restoration.networks`.
        scale: times as high and as wide.
        colour: `luminance` enlarges Y alone, and colours by bicubic; `rgb` all three.
        width: channels of the first layer, d of FSRCNN.
        narrow: channels of its mapping layers, s of FSRCNN, and of the second layer of ESPCN; a
            residual network has none.
        depth: mapping layers, m of FSRCNN, or residual blocks; ESPCN has none.
        loss: `mean_squared`, whose logarithm PSNR is, or `mean_absolute`.

    Example:
        >>> config = RestorationConfig(scale=3)
        >>> config.channels, config.width
        (1, 56)
    """

    family: Literal["restoration"] = "restoration"
    architecture: Literal["fsrcnn", "espcn", "residual"] = "fsrcnn"
    scale: Literal[2, 3, 4]
    colour: Literal["luminance", "rgb"] = "luminance"
    width: Positive = 56
    narrow: Positive = 12
    depth: Positive = 4
    loss: Literal["mean_squared", "mean_absolute"] = "mean_squared"

    @property
    def channels(self) -> int:
        """Channels of the images."""
        return 1 if self.colour == "luminance" else 3
