"""How a flow is exported: its velocity, its metric, what its card says."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from export.families.images import ImageExporter
from export.families.ports import labels_port, port
from export.proof.graphs import Arrays, GraphSpec
from export.proof.linter import check_static
from export.proof.parity import Runner
from serving import noise
from serving.bundle.manifest import Quality
from serving.families.flow.flow import (
    GRAPH,
    IMAGE,
    LABELS,
    TIME,
    VELOCITY,
    FlowProcessing,
)
from zoo.flow.evaluate import FlowEvaluateConfig, evaluate
from zoo.flow.flow import Flow
from zoo.flow.task import mixed
from zoo.metric import Metric
from zoo.recipe import Recipe

QUALITY_IMAGES, BATCH = 2000, 100


class FlowExporter(ImageExporter):
    """A trained flow as the exporter sees it; see `export.families.exporter.Exporter`."""

    tags = ("flow-matching", "diffusion", "image-generation")
    metric = "error"

    @cached_property
    def graphs(self) -> list[GraphSpec]:
        return [graph(self.run.model)]

    @property
    def processing(self) -> dict[str, Any]:
        config = self.config
        return FlowProcessing(
            image_shape=list(config.image_shape),
            latent_dim=int(np.prod(config.image_shape)),
            classes=config.classes,
            steps=config.course.steps,
            guidance=config.course.guidance,
            solver=config.course.solver,
            segments=config.segments,
        ).model_dump()

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Images of the validation part that are partly noise."""
        return [x for x, _ in self._batches("validation", limit=512)]

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure the error of the velocity on test images, the same noise for all variants."""
        errors = [
            np.mean(np.square(runners[GRAPH](x)[VELOCITY] - y)).item()
            for x, y in self._batches("test", QUALITY_IMAGES)
        ]
        return Quality(
            metric=self.metric,
            value=float(np.mean(errors)),
            change=0.0,
            definition="mean squared error of the velocity of a pixel, on test images that are "
            "partly noise",
            samples=len(errors) * BATCH,
        )

    @classmethod
    def evaluate(cls, recipe: Recipe, served: Any, settings: FlowEvaluateConfig) -> list[Metric]:
        """Measure generated images against the test split."""
        return evaluate(served.generate, recipe.task().images, settings)

    @property
    def notes(self) -> list[str]:
        course = self.config.course
        return [
            f"`{VELOCITY}` is asked for {course.evaluations} times an image, unless told "
            f"otherwise: {course.steps} steps of {course.solver}.",
            *(
                [f"`{LABELS}` of {self.config.classes} stand for no label."]
                if self.config.classes
                else []
            ),
        ]

    @property
    def limitations(self) -> list[str]:
        """What the card warns of."""
        return [
            *super().limitations,
            "An image takes many looks of the network, where a GAN takes one.",
        ]

    @property
    def snippet(self) -> str:
        """Python that draws images with ONNX Runtime and NumPy alone."""
        config, steps = self.config, self.config.course.steps
        labels = f', "labels": np.full(16, {config.classes - 1})' if config.classes else ""
        return _SNIPPET.format(shape=config.image_shape, steps=steps, labels=labels)

    def _batches(self, part: str, limit: int) -> list[tuple[Arrays, np.ndarray]]:
        """Mix images of a part with noise, at times from noise to image."""
        image, labels = self._data.arrays(part)
        image = image[:limit]
        labels = None if labels is None else labels[:limit].astype(np.int64)
        drawn = noise.normal(len(image), image[0].size, 0).reshape(image.shape)
        time = (np.arange(len(image), dtype=np.float32) * np.float32(0.61803)) % 1
        batches = []
        for start in range(0, len(image), BATCH):
            rows = slice(start, start + BATCH)
            own = None if labels is None else labels[rows]
            batches.append(mixed(image[rows], drawn[rows], time[rows], own))
        return batches

    @cached_property
    def _data(self) -> Any:
        images = self.run.recipe.task().images
        images.source.check(self.run.record, self.run.directory.path)
        return images


def graph(model: Flow) -> GraphSpec:
    """Describe the velocity's graph, which has a size once its batch has one."""
    config = model.config

    def call(image: Any, time: Any, labels: Any = None) -> Mapping[str, Any]:
        return {VELOCITY: model.velocity(image, time, labels)}

    def sample(count: int, seed: int) -> Arrays:
        drawn = noise.normal(count, int(np.prod(config.image_shape)), seed)
        random = np.random.RandomState(seed)
        found = {
            IMAGE: drawn.reshape(count, *config.image_shape),
            TIME: random.random_sample(count).astype(np.float32),
        }
        if config.classes:
            found[LABELS] = random.randint(config.classes + 1, size=count).astype(np.int64)
        return found

    return GraphSpec(
        role=GRAPH,
        signature="velocity",
        call=call,
        inputs=(
            port(IMAGE, *config.image_shape, meaning="partly noise, on [-1, 1] where it is none"),
            port(TIME, meaning="0 for noise to 1 for an image"),
            *labels_port(config.classes),
        ),
        outputs=(port(VELOCITY, *config.image_shape, meaning="image minus noise"),),
        sample=sample,
        sensitivity=(IMAGE, VELOCITY),
        checks=(check_static,),
    )


_SNIPPET = """\
import numpy as np
import onnxruntime

network = onnxruntime.InferenceSession("velocity.onnx")
size, steps = {shape}, {steps}
image = np.random.RandomState(7).standard_normal((16, *size)).astype("float32")
for step in range(steps):  # Euler's way; with few steps Heun's is more exact
    inputs = {{"image": image, "time": np.full(16, step / steps, "float32"){labels}}}
    image += network.run(["velocity"], inputs)[0] / np.float32(steps)
pixels = np.rint(((image + 1) / 2).clip(0, 1) * 255).astype("uint8")
"""
