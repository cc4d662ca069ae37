"""How a network that repairs photographs is exported: its graph, its metric, its card."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from export.families.exporter import Exporter
from export.families.forms import Form, portable_forms, reduced
from export.families.ports import port
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import Runner
from export.run import Run
from serving.bundle.manifest import Quality
from serving.families.repair.repairer import (
    GRAPH,
    IMAGE,
    MASK,
    REPAIRED,
    TASK,
    Repairer,
    RepairProcessing,
)
from serving.photographs import bicubic
from serving.photographs.photograph import Photograph
from serving.photographs.repairing import Mender
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.repair.data import RepairPhotographs, scaled
from zoo.repair.evaluate import RepairEvaluateConfig, evaluate, mean_metric
from zoo.repair.model import BRIGHTNESS
from zoo.repair.model import Repairer as KerasRepairer
from zoo.repair.task import COLOURED, DEPTH, SAMPLES, before_and_after, mender_of

SEEDS = (0, 1)
SIZES = ((1, 1, 1), (1, 72, 32), (2, 21, 90), (5, 16, 16))  # batch, height, width
SAMPLED = 24, 16  # height and width of what conversion is tried with
QUALITY_PICTURES = 20
CALIBRATION_PICTURES = 32
LOST = {"fp16": 0.02, "int8": 0.3}  # dB that a variant may lose


class RepairExporter(Exporter):
    """A trained network that repairs photographs; see `export.families.exporter.Exporter`."""

    task = "photograph repair"
    pipeline_tag = "image-to-image"
    tags = ("inpainting", "colorization", "deblurring", "denoising", "image-to-image")
    metric = "psnr"

    def __init__(self, run: Run):
        super().__init__(run)
        self.config = run.model.config

    @cached_property
    def graphs(self) -> list[GraphSpec]:
        return [graph(self.run.model)]

    @property
    def processing(self) -> dict[str, Any]:
        return RepairProcessing(
            tasks=list(self.config.tasks),
            multiple=self.config.multiple,
            reach=self.run.model.reach,
            coloured=COLOURED,
            depth=DEPTH,
        ).model_dump()

    @property
    def notes(self) -> Sequence[str]:
        numbers = ", ".join(f"{at} {task}" for at, task in enumerate(self.config.tasks))
        return (
            f"`{IMAGE}` is RGB in levels of 255, divided by 255, of any height and width, best of "
            f"multiples of {self.config.multiple}: reflect what is around up to there. "
            f"`{REPAIRED}` is of the same size, and not limited to [0, 1].",
            f"`{TASK}` says what to do: {numbers}. `{MASK}` is 1 where pixels are unknown, to "
            "inpaint, and 0 for all else.",
            f"The network looks at {self.run.model.reach} pixels around one at most. Cut with so "
            "many more on each side, at multiples as above, the pieces of a large photograph fit "
            "together without seams.",
        )

    def forms(self) -> list[Form]:
        """Return float32, half precision, and 8 bits of all but the brightness."""
        first, half, _ = portable_forms(self)
        return [first, half, reduced("int8", self, ("cpu", "web"), exact=(BRIGHTNESS,))]

    def tolerance(self, precision: str, reference: Quality) -> float:
        """Return how many dB a variant may lose."""
        return LOST[precision]

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Middles of photographs of the validation part, degraded."""
        inputs, _ = self._data.validation_examples()
        rows = [slice(at, at + 1) for at in range(CALIBRATION_PICTURES)]
        side = inputs[IMAGE].shape[1] // self.config.multiple * self.config.multiple
        return [
            {
                IMAGE: inputs["image"][row, :side, :side],
                MASK: inputs["mask"][row, :side, :side],
                TASK: inputs["task"][row].astype(np.int64),
            }
            for row in rows
            if len(inputs["task"][row])
        ]

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure PSNR on photographs of the test part."""
        measured = mean_metric(self._mender(runners), self._data, self._pictures)
        return Quality(
            metric=self.metric,
            value=measured.value,
            change=0.0,
            definition=measured.definition,
            samples=measured.samples,
            better="higher",
        )

    @classmethod
    def evaluate(
        cls, recipe: Recipe, served: Repairer, settings: RepairEvaluateConfig
    ) -> list[Metric]:
        """Measure a bundle as its training run was measured."""
        return evaluate(served.mender, _data(recipe), settings)

    def samples(self, generator: Any) -> list[Photograph]:
        """Repair photographs of the validation part, each degraded for every task."""
        keras = isinstance(generator, KerasRepairer)
        return before_and_after(mender_of(generator) if keras else generator.mender, self._data)

    @cached_property
    def credits(self) -> Sequence[str]:
        """Whom the photographs of the card are by."""
        return self._data.credits("validation", SAMPLES)

    @property
    def limitations(self) -> list[str]:
        """What the card warns of."""
        return [
            "What is filled in and the colours that are given are guesses: they are no evidence of "
            "what was there.",
            "The inside of a wide hole is filled in a smaller photograph, without fine detail.",
            "Learned from Gaussian blur and white noise: blur of motion, the blocks of JPEG and "
            "the noise of film are others.",
        ]

    @property
    def snippet(self) -> str:
        """Python that repairs a photograph with ONNX Runtime, NumPy and Pillow alone."""
        tasks = self.config.tasks
        return _SNIPPET.format(multiple=self.config.multiple, task=tasks[-1], place=len(tasks) - 1)

    def _mender(self, runners: Mapping[str, Runner]) -> Mender:
        def network(image: np.ndarray, mask: np.ndarray, task: np.ndarray) -> np.ndarray:
            return runners[GRAPH]({IMAGE: image, MASK: mask, TASK: task.astype(np.int64)})[REPAIRED]

        config, reach = self.config, self.run.model.reach
        return Mender(network, config.tasks, config.multiple, reach, COLOURED, DEPTH)

    @cached_property
    def _pictures(self) -> list[np.ndarray]:
        pictures = self._data.pictures("test")[:QUALITY_PICTURES]
        return [scaled(pixels, self._data.config.patch) for pixels in pictures]

    @cached_property
    def _data(self) -> RepairPhotographs:
        data = _data(self.run.recipe)
        data.source.check(self.run.record, self.run.directory.path)
        return data


def _data(recipe: Recipe) -> RepairPhotographs:
    return RepairPhotographs(recipe.data, recipe.model.tasks)


_SNIPPET = """\
import numpy as np
import onnxruntime
from PIL import Image

model = onnxruntime.InferenceSession("model.onnx")
photo = np.asarray(Image.open("photo.png").convert("RGB"))
height, width = photo.shape[:2]
# Height and width become multiples of {multiple}.
padded = np.pad(photo, ((0, -height % {multiple}), (0, -width % {multiple}), (0, 0)), "reflect")
image = padded[None].astype("float32") / 255
mask, task = np.zeros_like(image[..., :1]), np.array([{place}])  # {task}
(repaired,) = model.run(["repaired"], {{"image": image, "mask": mask, "task": task}})
pixels = np.rint(np.clip(repaired[0, :height, :width], 0, 1) * 255).astype("uint8")
Image.fromarray(pixels).save("repaired.png")
"""


@dataclass(frozen=True)
class ImageGraph(GraphSpec):
    """A graph of images of many sizes."""

    def count(self, inputs: Arrays) -> int:
        return len(inputs[IMAGE])


def graph(model: KerasRepairer) -> GraphSpec:
    """Describe the graph."""
    config = model.config
    most = len(config.tasks) - 1
    size = ("height", "width")
    return ImageGraph(
        role=GRAPH,
        signature="repair",
        call=lambda image, mask, task: {
            REPAIRED: model({"image": image, "mask": mask, "task": task})
        },
        inputs=(
            port(IMAGE, *size, 3, meaning="RGB from 0 to 1"),
            port(MASK, *size, 1, meaning="1 where it is unknown, else 0"),
            port(TASK, meaning=f"what to do, 0 to {most}", dtype="int64"),
        ),
        outputs=(port(REPAIRED, *size, 3, meaning="the same photograph, repaired"),),
        sample=lambda count, seed: _images(config, count, *SAMPLED, seed),
        sensitivity=(IMAGE, REPAIRED),
        trials=lambda: _trials(config),
    )


def _images(config: Any, count: int, height: int, width: int, seed: int) -> Arrays:
    """Draw smooth images, as photographs are: noise of a fourth of the size, enlarged."""
    random = np.random.RandomState(seed)
    shape = (count, -(-height // 4), -(-width // 4), 3)
    noise = random.random_sample(shape).astype(np.float32)
    smooth = np.stack([bicubic.enlarge(each, 4)[:height, :width] for each in noise])
    mask = (random.random_sample((count, height, width, 1)) < 0.3).astype(np.float32)
    task = (np.arange(count) + seed) % len(config.tasks)
    return {IMAGE: np.clip(smooth, 0, 1), MASK: mask, TASK: task.astype(np.int64)}


def _trials(config: Any) -> Iterator[tuple[str, Arrays]]:
    """Yield batches of images of several sizes and tasks."""
    for count, height, width in SIZES:
        for seed in SEEDS:
            words = f"batch {count}, {height}x{width}, seed {seed}"
            yield words, _images(config, count, height, width, seed)
