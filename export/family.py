"""What the exporter asks of a model family. A new family is one such class and one line below."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from export.errors import ExportError
from export.graphs import Arrays, GraphSpec
from export.parity import Runner
from export.run import Run
from serving.bundle import Processing, Quality

FAMILIES = {
    "vae": "export.vae:VAEFamily",
    "gan": "export.gan:GANFamily",
}


class Family(Protocol):
    """A trained model, described for the exporter.

    Attributes:
        name: of the family.
        task: in words, for the catalogue.
        pipeline_tag, tags: of Hugging Face.
        metric: name of the headline metric in `metrics.json`; it is listed first.
        graphs: what is exported; the first is what serves by default.
        processing: how pixels and latents enter and leave the graphs.
        limitations: one sentence each, for the card.
        snippet: Python for the card: samples from the files alone, without this package.
    """

    name: str
    task: str
    pipeline_tag: str
    tags: Sequence[str]
    metric: str
    graphs: Sequence[GraphSpec]
    processing: Processing
    limitations: Sequence[str]
    snippet: str

    def samples(self, generator: Any) -> np.ndarray:
        """Draw the card's samples, uint8 `(N, H, W, C)`, from Keras or from `serving`."""

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Return real inputs of a graph, in batches, to choose the ranges of 8-bit numbers from."""

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure the graphs, by role, by the model's own metric on real data."""


def family_of(run: Run) -> Family:
    """Describe the model of a run.

    Raises:
        ExportError: nobody wrote down how its family is exported.
    """
    name = run.recipe.model.family
    if name not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ExportError(f"models of family '{name}' cannot be exported; those of {known} can")
    module, described = FAMILIES[name].split(":")
    return getattr(import_module(module), described)(run)
