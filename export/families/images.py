"""What all families of image models have in common when they are exported."""

from typing import Any

import numpy as np

from export.families.exporter import Exporter
from export.families.guidance.graph import guide
from export.proof.graphs import GraphSpec
from export.run import JUDGE, Run
from serving.bundle.files import sha256
from serving.families.guidance.asking import Guide
from serving.families.images import ImageProcessing

ROWS = 8  # of samples


class ImageExporter(Exporter):
    """A trained model of images; see `export.families.exporter.Exporter`.

    Args:
        run: whose model has `image_shape`, `latent_dim` and `classes` in its configuration.
    """

    task = "image generation"
    pipeline_tag = "unconditional-image-generation"

    def __init__(self, run: Run):
        super().__init__(run)
        self.config = run.model.config

    @property
    def processing(self) -> dict[str, Any]:
        judge = self.run.earlier.get(JUDGE)
        return ImageProcessing(
            image_shape=list(self.config.image_shape),
            latent_dim=self.config.latent_dim,
            classes=self.config.classes,
            guide=None if judge is None else described(judge),
        ).model_dump(exclude_none=True)

    def steered(self, graphs: list[GraphSpec]) -> list[GraphSpec]:
        """Return graphs, the first of which draws, with the one that steers it, if there is one."""
        judge = self.run.earlier.get(JUDGE)
        return graphs if judge is None else [*graphs, guide(graphs[0], judge.model)]

    def samples(self, generator: Any) -> np.ndarray:
        """Draw rows of samples of seed 0, one column for each class of a conditional model."""
        columns = self.config.classes or ROWS
        labels = np.tile(np.arange(columns), ROWS) if self.config.classes else None
        images: np.ndarray = generator.generate(ROWS * columns, labels=labels, seed=0)
        return images

    @property
    def limitations(self) -> list[str]:
        height, width, channels = self.config.image_shape
        colour = "grey" if channels == 1 else "colour"
        return [
            f"Draws {height}x{width} {colour} images like those of its data set, and nothing else.",
            *([_STEERED] if JUDGE in self.run.earlier else []),
        ]


def described(judge: Run) -> Guide:
    """Say who a judge is, for a manifest."""
    return Guide(
        judge=judge.name,
        sha256=sha256(judge.weights),
        classes=judge.model.config.classes,
    )


_STEERED = (
    "Drawn towards a class it draws what its judge takes for that class, which may be what nobody "
    "else does; the more steps, the less varied."
)
