"""How a network that enlarges photographs is exported: its graph, its metric, its card."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from export.families.exporter import Exporter
from export.families.forms import Form, Made, portable_forms, reduced
from export.families.ports import port
from export.graph.images.pointwise import ease_pointwise
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import Runner
from export.run import Run
from serving.bundle.manifest import Quality
from serving.families.restoration.restorer import (
    ENLARGED,
    GRAPH,
    IMAGE,
    RestorationProcessing,
    Restorer,
)
from serving.photographs import bicubic
from serving.photographs.enlarging import Enlarger
from serving.photographs.photograph import Photograph
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.restoration.data import Photographs
from zoo.restoration.evaluate import RestorationEvaluateConfig, evaluate, mean_psnr
from zoo.restoration.model import BICUBIC
from zoo.restoration.model import Restorer as KerasRestorer
from zoo.restoration.task import SAMPLES, before_and_after, enlarger_of

SEEDS = (0, 1)
SIZES = ((1, 1, 1), (1, 48, 33), (2, 3, 40), (5, 16, 16))  # batch, height, width
SAMPLED = (12, 10)  # height and width of what conversion is tried with
QUALITY_PICTURES = 20
CALIBRATION_PICTURES, CALIBRATION_SIDE = 32, 64
LOST = {"fp16": 0.01, "int8": 0.1}  # dB that a variant may lose


class RestorationExporter(Exporter):
    """A trained network that enlarges photographs; see `export.families.exporter.Exporter`."""

    task = "super-resolution"
    pipeline_tag = "image-to-image"
    tags = ("super-resolution", "image-to-image", "photographs")
    metric = "psnr"

    def __init__(self, run: Run):
        super().__init__(run)
        self.config = run.model.config

    @cached_property
    def graphs(self) -> list[GraphSpec]:
        return [graph(self.run.model)]

    @property
    def processing(self) -> dict[str, Any]:
        return RestorationProcessing(
            scale=self.config.scale, channels=self.config.channels, reach=self.run.model.reach
        ).model_dump()

    @property
    def notes(self) -> Sequence[str]:
        reach = self.run.model.reach
        seen = "Y of ITU-R BT.601" if self.config.channels == 1 else "RGB"
        return (
            f"`{IMAGE}` is {seen} in levels of 255, divided by 255, of any height and width; "
            f"`{ENLARGED}` is {self.config.scale} times as high and as wide, and not limited to "
            "[0, 1].",
            f"The network looks at {reach} pixels around one. Cut with so many more on each side, "
            "the pieces of a large photograph fit together without seams.",
        )

    def forms(self) -> list[Form]:
        """Return float32, half precision, and 8 bits of all but the bicubic enlargement."""
        first, half, _ = portable_forms(self)
        # Rounded to 8 bits, a sum of two convolutions is less exact than one: 0.02 dB.
        first = replace(first, make=_eased)
        return [first, half, reduced("int8", self, ("cpu", "web"), exact=(BICUBIC,))]

    def tolerance(self, precision: str, reference: Quality) -> float:
        """Return how many dB a variant may lose."""
        return LOST[precision]

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Middles of photographs of the validation part, made smaller."""
        small, _ = self._data.validation_examples()
        chosen = small[:CALIBRATION_PICTURES, :CALIBRATION_SIDE, :CALIBRATION_SIDE]
        return [{IMAGE: each[None]} for each in chosen]

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure PSNR on photographs of the test part."""
        enlarger, pictures = self._enlarger(runners), self._pictures
        return Quality(
            metric=self.metric,
            value=mean_psnr(enlarger.pixels, enlarger.scale, pictures),
            change=0.0,
            definition="mean PSNR of Y of held-out photographs that were made smaller, in dB",
            samples=len(pictures),
            better="higher",
        )

    @classmethod
    def evaluate(
        cls, recipe: Recipe, served: Restorer, settings: RestorationEvaluateConfig
    ) -> list[Metric]:
        """Measure a bundle as its training run was measured."""
        return evaluate(served.enlarger, _data(recipe), settings)

    def samples(self, generator: Any) -> list[Photograph]:
        """Enlarge photographs of the validation part, bicubically and by the model."""
        keras = isinstance(generator, KerasRestorer)
        return before_and_after(enlarger_of(generator) if keras else generator.enlarger, self._data)

    @cached_property
    def credits(self) -> Sequence[str]:
        """Whom the photographs of the card are by."""
        return self._data.credits("validation", SAMPLES)

    @property
    def limitations(self) -> list[str]:
        """What the card warns of."""
        return [
            "Detail that the small photograph does not hold is guessed: do not read number plates, "
            "faces or writing out of it.",
            "Learned from photographs that were made smaller by antialiased bicubic; noise and the "
            "blocks of JPEG are taken for detail, and enlarged.",
        ]

    @property
    def snippet(self) -> str:
        """Python that enlarges a photograph with ONNX Runtime, NumPy and Pillow alone."""
        return (_SNIPPET_Y if self.config.channels == 1 else _SNIPPET_RGB).format(
            scale=self.config.scale
        )

    def _enlarger(self, runners: Mapping[str, Runner]) -> Enlarger:
        def network(image: np.ndarray) -> np.ndarray:
            return runners[GRAPH]({IMAGE: image})[ENLARGED]

        config = self.config
        return Enlarger(network, config.scale, config.channels, self.run.model.reach)

    @cached_property
    def _pictures(self) -> list[np.ndarray]:
        return self._data.pictures("test")[:QUALITY_PICTURES]

    @cached_property
    def _data(self) -> Photographs:
        data = _data(self.run.recipe)
        data.source.check(self.run.record, self.run.directory.path)
        return data


def _eased(made: Made) -> Made:
    graphs = {role: ease_pointwise(graph) for role, graph in made.graphs.items()}
    return Made(made.specs, graphs)


def _data(recipe: Recipe) -> Photographs:
    return Photographs(recipe.data, recipe.model.scale, recipe.model.channels)


_SNIPPET_Y = """\
import numpy as np
import onnxruntime
from PIL import Image

model = onnxruntime.InferenceSession("model.onnx")
small = Image.open("photo.jpg").convert("RGB")
size = ({scale} * small.width, {scale} * small.height)
to_y = np.array([65.481, 128.553, 24.966]) / 255
y = ((np.asarray(small) @ to_y + 16) / 255).astype("float32")
(larger,) = model.run(["enlarged"], {{"image": y[None, :, :, None]}})
plain = np.asarray(small.resize(size, Image.Resampling.BICUBIC))
# What the network changes of Y changes red, green and blue alike.
change = (larger[0] * 255 - 16 - (plain @ to_y)[..., None]) * 255 / 219
pixels = np.rint(np.clip(plain + change, 0, 255)).astype("uint8")
Image.fromarray(pixels).save("large.png")
"""
_SNIPPET_RGB = """\
import numpy as np
import onnxruntime
from PIL import Image

model = onnxruntime.InferenceSession("model.onnx")
small = np.asarray(Image.open("photo.jpg").convert("RGB"))
(larger,) = model.run(["enlarged"], {{"image": small[None].astype("float32") / 255}})
pixels = np.rint(np.clip(larger[0], 0, 1) * 255).astype("uint8")  # {scale} times as large
Image.fromarray(pixels).save("large.png")
"""


@dataclass(frozen=True)
class ImageGraph(GraphSpec):
    """A graph of images of any size."""

    def count(self, inputs: Arrays) -> int:
        return len(inputs[IMAGE])


def graph(model: KerasRestorer) -> GraphSpec:
    """Describe the graph."""
    channels = model.config.channels
    return ImageGraph(
        role=GRAPH,
        signature="enlarge",
        call=lambda image: {ENLARGED: model(image)},
        inputs=(port(IMAGE, "height", "width", channels, meaning="intensities from 0 to 1"),),
        outputs=(
            port(
                ENLARGED,
                "enlarged_height",
                "enlarged_width",
                channels,
                meaning="of the same photograph, larger",
            ),
        ),
        sample=lambda count, seed: _images(count, *SAMPLED, channels, seed),
        sensitivity=(IMAGE, ENLARGED),
        trials=lambda: _trials(channels),
    )


def _images(count: int, height: int, width: int, channels: int, seed: int) -> Arrays:
    """Draw smooth images, as photographs are: noise of a third of the size, enlarged."""
    random = np.random.RandomState(seed)
    rows, columns = -(-height // 3), -(-width // 3)
    noise = random.random_sample((count, rows, columns, channels)).astype(np.float32)
    smooth = np.stack([bicubic.enlarge(each, 3) for each in noise])
    return {IMAGE: np.clip(smooth[:, :height, :width], 0, 1)}


def _trials(channels: int) -> Iterator[tuple[str, Arrays]]:
    """Yield batches of images of several sizes, of one pixel too."""
    for count, height, width in SIZES:
        for seed in SEEDS:
            words = f"batch {count}, {height}x{width}, seed {seed}"
            yield words, _images(count, height, width, channels, seed)
