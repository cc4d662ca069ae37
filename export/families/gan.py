"""How a GAN is exported: its generator, its metric, what its card says."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from export.families.images import ImageExporter
from export.families.ports import labels_port, port
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import Runner
from serving import noise
from serving.bundle.manifest import Quality
from serving.bundle.records import Port
from serving.content import pictures
from zoo.data.images import Images
from zoo.evaluation.distances import frechet_distance
from zoo.gan import GAN, implicit
from zoo.judge import Judge, load_judge
from zoo.judge.generators import GeneratorEvaluateConfig, evaluate
from zoo.metric import Metric
from zoo.recipe import Recipe

QUALITY_IMAGES, QUALITY_BATCH = 2000, 64


class GANExporter(ImageExporter):
    """A trained GAN as the exporter sees it; see `export.families.exporter.Exporter`."""

    tags = ("gan", "generative-adversarial-network", "image-generation")
    metric = "fcd"
    guided = True

    @cached_property
    def graphs(self) -> list[GraphSpec]:
        return self.steered(graphs(self.run.model))

    @property
    def processing(self) -> dict[str, Any]:
        found = super().processing
        if not self.config.implicit:
            return found
        return found | {"recognises": True, "continuous": self.config.continuous}

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure the Frechet distance to test images; of few, but from the same latents."""
        spec = self.graphs[0]
        batches = [spec.sample(QUALITY_BATCH, seed) for seed in range(self._batches)]
        images = [pictures.to_uint8(runners[spec.role](batch)["image"]) for batch in batches]
        features = self._judge.features(np.concatenate(images).astype(np.float32) / 255)
        return Quality(
            metric=self.metric,
            value=frechet_distance(features, self._real_features),
            change=0.0,
            definition=f"Frechet distance of features of the judge {self._judge.name} "
            f"({self._judge.sha256[:12]}) between generated and test images",
            samples=len(features),
        )

    def tolerance(self, precision: str, reference: Quality) -> float:
        """Return how far the Frechet distance may move: a fiftieth of it."""
        return 0.02 * abs(reference.value)

    @classmethod
    def evaluate(
        cls, recipe: Recipe, served: Any, settings: GeneratorEvaluateConfig
    ) -> list[Metric]:
        """Measure generated images against the test split."""
        images = recipe.task().images
        if recipe.model.implicit:
            return implicit.evaluate(served, images, settings, recipe.model.classes)
        return evaluate(served.generate, images, settings)

    @property
    def limitations(self) -> list[str]:
        """What the card warns of."""
        return [
            *super().limitations,
            "Like every GAN it may draw some kinds of images more often than the data set has "
            "them; coverage and recall say how far.",
            "It has no encoder: an image cannot be turned into a latent.",
            *([_FOUND] if self.config.implicit else []),
        ]

    @property
    def snippet(self) -> str:
        """Python that draws images with ONNX Runtime and NumPy alone."""
        classes = self.config.classes
        return _SNIPPET.format(
            size=self.config.latent_dim,
            labels=f', "labels": np.full(16, {classes - 1})' if classes else "",
        )

    @property
    def _batches(self) -> int:
        return -(-QUALITY_IMAGES // QUALITY_BATCH)

    @cached_property
    def _judge(self) -> Judge:
        return load_judge(self.run.recipe.evaluate.judge)

    @cached_property
    def _real_features(self) -> np.ndarray:
        images = Images(self.run.recipe.data, self.config.image_shape, self.config.data_classes)
        images.source.check(self.run.record, self.run.directory.path)
        return self._judge.features(images.arrays("test")[0][:QUALITY_IMAGES])


def graphs(model: GAN) -> list[GraphSpec]:
    """Describe what a GAN exports: its generator and, if conditional, one between its classes."""
    found = [_generator(model), *([_blender(model)] if model.config.classes else [])]
    return [*found, _recogniser(model)] if model.config.implicit else found


def _generator(model: GAN) -> GraphSpec:
    config = model.config

    def call(z: Any, labels: Any = None) -> Mapping[str, Any]:
        return {"image": model(z if labels is None else {"z": z, "labels": labels})}

    def sample(count: int, seed: int) -> Arrays:
        latents = {"z": noise.normal(count, config.latent_dim, seed)}
        if not config.classes:
            return latents
        labels = np.random.RandomState(seed).randint(config.classes, size=count)
        return latents | {"labels": labels.astype(np.int64)}

    return GraphSpec(
        role="generator",
        signature="generate",
        call=call,
        inputs=(_latent(model), *labels_port(config.classes)),
        outputs=(_image(model),),
        sample=sample,
        sensitivity=("z", "image"),
    )


def _blender(model: GAN) -> GraphSpec:
    """Describe the generator that takes shares of classes, where `labels` name just one."""
    config = model.config

    def sample(count: int, seed: int) -> Arrays:
        shares = np.random.RandomState(seed).dirichlet(np.ones(config.classes), count)
        latents = noise.normal(count, config.latent_dim, seed)
        return {"z": latents, "shares": shares.astype(np.float32)}

    return GraphSpec(
        role="blender",
        signature="blend",
        call=lambda z, shares: {"image": model.blend(z, shares)},
        inputs=(
            _latent(model),
            port("shares", config.classes, meaning="how much of each class; a row sums to 1"),
        ),
        outputs=(_image(model),),
        sample=sample,
        sensitivity=("shares", "image"),
    )


def _recogniser(model: GAN) -> GraphSpec:
    """Describe what finds the class of an image."""

    def sample(count: int, seed: int) -> Arrays:
        labels = np.random.RandomState(seed).randint(model.config.classes, size=count)
        return {"image": (model.generate(count, labels, seed) / 255).astype(np.float32)}

    return GraphSpec(
        role="recogniser",
        signature="recognise",
        call=lambda image: {"probabilities": model.recognise(image)},
        inputs=(_image(model),),
        outputs=(
            port("probabilities", model.config.classes, meaning="how likely each class found is"),
        ),
        sample=sample,
        sensitivity=("image", "probabilities"),
    )


def _latent(model: GAN) -> Port:
    return port("z", model.config.latent_dim, meaning="latent, standard normal")


def _image(model: GAN) -> Port:
    return port("image", *model.config.image_shape, meaning="image in [0, 1]")


_FOUND = (
    "Its classes are numbered as they were found, without labels: what one means, pictures show."
)
_SNIPPET = """\
import numpy as np
import onnxruntime

generator = onnxruntime.InferenceSession("generator.onnx")
z = np.random.RandomState(7).standard_normal((16, {size})).astype("float32")
image = generator.run(["image"], {{"z": z{labels}}})[0]
pixels = np.rint(image.clip(0, 1) * 255).astype("uint8")  # (16, height, width, channels)
"""
