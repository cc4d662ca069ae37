"""How a VAE is exported: its graphs, its data, its metric, what its card says."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from export.families.images import ImageExporter
from export.families.vae_graphs import graphs
from export.families.vae_subject import GraphVAE
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import Runner, session_runners
from serving.bundle.manifest import Quality
from zoo.data.images import Images
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.vae.evaluation import EvaluateConfig, evaluate
from zoo.vae.evaluation.drawn import judged
from zoo.vae.evaluation.likelihood import likelihood
from zoo.vae.evaluation.posteriors import observed

CALIBRATION_IMAGES, CALIBRATION_BATCH = 512, 64
QUALITY_IMAGES, QUALITY_SAMPLES = 500, 32


class VAEExporter(ImageExporter):
    """A trained VAE as the exporter sees it; see `export.families.exporter.Exporter`."""

    tags = ("vae", "variational-autoencoder", "image-generation")
    metric = "nll"
    guided = True

    @cached_property
    def graphs(self) -> list[GraphSpec]:
        return self.steered(graphs(self.run.model))

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Latents of the prior for the decoder; for the encoder held-out training images.

        Half of the images are binarized if the model was trained on such, half are as they are:
        people will encode both.
        """
        starts = range(0, CALIBRATION_IMAGES, CALIBRATION_BATCH)
        if spec.role != "encoder":
            return [spec.sample(CALIBRATION_BATCH, seed) for seed, _ in enumerate(starts)]
        images, labels = self._images.arrays("validation")
        images, labels = images[:CALIBRATION_IMAGES], _first(labels, CALIBRATION_IMAGES)
        images[::2] = observed(images, self.config.likelihood, seed=0)[::2]
        cuts = [slice(start, start + CALIBRATION_BATCH) for start in starts if start < len(images)]
        return [
            {"image": images[rows]} | ({} if labels is None else {"labels": labels[rows]})
            for rows in cuts
        ]

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure the test likelihood; on few images, but the same ones with the same noise."""
        images, labels = self._test_images
        settings = EvaluateConfig(importance_samples=QUALITY_SAMPLES)
        subject = GraphVAE(self.config, runners)
        metrics = likelihood(subject, images, labels, settings)
        nll = next(metric for metric in metrics if metric.name == self.metric)
        return Quality(
            metric=nll.name,
            value=nll.value,
            change=0.0,
            definition=f"{nll.definition}, in {nll.unit}",
            samples=nll.samples,
            better=nll.better,
        )

    @classmethod
    def evaluate(cls, recipe: Recipe, served: Any, settings: EvaluateConfig) -> list[Metric]:
        """Measure likelihood, reconstructions and latents on the test split."""
        images = Images(recipe.data, recipe.model.image_shape, recipe.model.classes)
        subject = GraphVAE(recipe.model, session_runners(served))
        drawn = judged(served.generate, images, settings)
        return [*evaluate(subject, *images.arrays("test"), settings), *drawn]

    @property
    def limitations(self) -> list[str]:
        """What the card warns of."""
        sentences = [
            *super().limitations,
            "Like every VAE it returns the mean of what it considers possible, so edges are "
            "softer than in real images.",
            "Images unlike the data set are encoded to some latent too: the posterior is no test "
            "of whether an image belongs.",
        ]
        if self.config.likelihood == "bernoulli":
            sentences.append("Pixel intensities are probabilities of white, not shades measured.")
        return sentences

    @property
    def snippet(self) -> str:
        """Python that draws images with ONNX Runtime and NumPy alone."""
        size = self.config.latent_dim
        if not self.config.classes:
            return _SNIPPET.format(prior="", size=size, feeds='{"z": z}')
        return _SNIPPET.format(
            prior=_PRIOR.format(last=self.config.classes - 1),
            size=size,
            feeds='{"z": mean + np.exp(log_variance / 2) * z, "labels": labels}',
        )

    @cached_property
    def _images(self) -> Images:
        images = Images(self.run.recipe.data, self.config.image_shape, self.config.classes)
        images.source.check(self.run.record, self.run.directory.path)
        return images

    @cached_property
    def _test_images(self) -> tuple[np.ndarray, np.ndarray | None]:
        images, labels = self._images.arrays("test")
        return images[:QUALITY_IMAGES], _first(labels, QUALITY_IMAGES)


_SNIPPET = """\
import numpy as np
import onnxruntime

decoder = onnxruntime.InferenceSession("decoder.onnx")
z = np.random.RandomState(0).standard_normal((16, {size})).astype("float32")
{prior}image, parameters = decoder.run(None, {feeds})
pixels = np.rint(image * 255).astype("uint8")  # (16, height, width, channels)
"""
_PRIOR = """\
prior = onnxruntime.InferenceSession("prior.onnx")
labels = np.full(16, {last}, "int64")
mean, log_variance = prior.run(None, {{"labels": labels}})
"""


def _first(labels: np.ndarray | None, count: int) -> np.ndarray | None:
    return None if labels is None else labels[:count].astype(np.int64)
