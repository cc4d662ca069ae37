"""A network that makes photographs better, at run time: larger."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from serving.bundle.records import Record
from serving.calls import call
from serving.families.model import Axes, Model, Timed, check_interface
from serving.parameters import Parameter
from serving.photographs.enlarging import Enlarger
from serving.photographs.given import changed
from serving.runtime.loaded import Loaded

GRAPH, IMAGE, ENLARGED = "model", "image", "enlarged"
TIMED = 128  # pixels of a side of what is timed, of which many go into a batch

Photographs = Annotated[Any, Parameter("to make larger, of any size", content="photograph")]
Scale = Annotated[
    int | None,
    Parameter(
        "times as high and as wide; a model has one",
        minimum=lambda processing: processing.scale,
        maximum=lambda processing: processing.scale,
        example=lambda processing: processing.scale,
    ),
]


class RestorationProcessing(Record):
    """How photographs enter and leave the graph.

    Intensities are levels of 255 divided by 255, `(batch, height, width, channels)`. Of one channel
    they are Y of ITU-R BT.601, `16 + (65.481 R + 128.553 G + 24.966 B) / 255`.

    Attributes:
        scale: times as high and as wide.
        channels: 1 for Y, 3 for RGB.
        reach: how many pixels around one the network looks at.
    """

    scale: Annotated[int, Field(ge=2, le=8)]
    channels: Literal[1, 3]
    reach: Annotated[int, Field(ge=0, le=1024)]
    layout: Literal["NHWC"] = "NHWC"


class Restorer(Model):
    """A network that enlarges photographs, loaded by `serving.load`.

    A photograph of any size goes through piece by piece, in memory that does not grow beyond what
    the photograph and its enlargement take. Wrong arguments raise `UsageError`.

    Attributes:
        scale: times as high and as wide.

    Example:
        >>> import serving
        >>> model = serving.load("bundles/photos")  # doctest: +SKIP
        >>> model.enlarge(np.zeros((20, 30, 3), np.uint8)).shape  # doctest: +SKIP
        (60, 90, 3)
    """

    Processing = RestorationProcessing

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        processing: RestorationProcessing = self.processing
        self.scale = processing.scale
        _check_graph(loaded, processing.channels)
        session = loaded.sessions[GRAPH]

        def network(image: np.ndarray) -> np.ndarray:
            return np.asarray(session.run([ENLARGED], {IMAGE: image})[0])

        self.enlarger = Enlarger(network, self.scale, processing.channels, processing.reach)

    @call(gives="photograph")
    def enlarge(self, photograph: Photographs, scale: Scale = None) -> Any:
        """Make a photograph larger.

        Args:
            photograph: pixels, uint8 `(H, W)` or `(H, W, C)` of 1 to 4 channels, of 2 and 4 the
                last being alpha; an image of Pillow; a `Photograph`; or a list of such.
            scale: that of the model.

        Returns:
            Pixels for pixels, uint8 `(H * scale, W * scale, C)`; else a `Photograph`, with the
            alpha and the colour profile of the one given; a list for a list.
        """
        if isinstance(photograph, list | tuple):
            return [changed(each, self.enlarger) for each in photograph]
        return changed(photograph, self.enlarger)

    def timed(self, batch: int) -> dict[str, Timed]:
        """Return `generate`, which is `enlarge`, and the graph alone, of so many photographs."""
        side = TIMED
        channels = self.processing.channels
        image = np.random.default_rng(0).random((batch, side, side, channels), np.float32)
        pixels = (image[..., :1] * 255).astype(np.uint8).repeat(3, axis=3)
        run = self.enlarger.network
        return {
            "graph": Timed(lambda: run(image), batch),
            "generate": Timed(lambda: [self.enlarge(each) for each in pixels], batch),
        }

    def smallest(self) -> object:
        return self.enlarge(np.zeros((1, 1, 3), np.uint8))


def _check_graph(loaded: Loaded, channels: int) -> None:
    """Refuse a bundle whose graph is not of the sizes that it names."""
    batch: list[str | int] = ["batch_size"]
    takes: Axes = {IMAGE: [*batch, "height", "width", channels]}
    returns: Axes = {ENLARGED: [*batch, "enlarged_height", "enlarged_width", channels]}
    check_interface(loaded.manifest, {GRAPH: (takes, returns)})
