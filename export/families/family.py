"""What the exporter asks of a model family. A new family is one such class and one line below."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnx

from export.errors import ExportError
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import Runner
from export.run import Run
from serving.bundle.manifest import Processing, Quality, TextProcessing
from zoo.config import Config
from zoo.metric import Metric
from zoo.recipe import Recipe

FAMILIES = {
    "vae": "export.families.vae:VAEFamily",
    "gan": "export.families.gan:GANFamily",
    "transformer": "export.families.gpt:GPTFamily",
}


class Family(Protocol):
    """A trained model, described for the exporter.

    Attributes:
        name: of the family.
        task: in words, for the catalogue.
        pipeline_tag, tags: of Hugging Face.
        metric: name of the headline metric in `metrics.json`; it is listed first.
        graphs: what is exported; the first is what serves by default.
        processing: how pixels and latents, or text, enter and leave the graphs.
        unit: what is counted when speed and samples are told.
        limitations: one sentence each, for the card.
        snippet: Python for the card: samples from the files alone, without this package.
    """

    name: str
    task: str
    pipeline_tag: str
    tags: Sequence[str]
    metric: str
    graphs: Sequence[GraphSpec]
    processing: Processing | TextProcessing
    unit: str = "images"
    limitations: Sequence[str]
    snippet: str

    def samples(self, generator: Any) -> np.ndarray | list[str]:
        """Draw the card's samples, uint8 `(N, H, W, C)` or texts, from Keras or from `serving`."""

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Return real inputs of a graph, in batches, to choose the ranges of 8-bit numbers from."""

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure the graphs, by role, by the model's own metric on real data."""

    @staticmethod
    def evaluate(recipe: Recipe, served: Any, settings: Config) -> list[Metric]:
        """Measure a bundle, loaded by `serving.load`, as its training run was measured."""

    def tolerance(self, precision: str, reference: Quality) -> float:
        """Return how far the metric of a variant may be from float32's; here a hundredth of it."""
        return 0.01 * abs(reference.value)

    def fuse(self, spec: GraphSpec, model: onnx.ModelProto) -> tuple[GraphSpec, onnx.ModelProto]:
        """Return a graph in ONNX Runtime's own operators, and what holds of it.

        Raises:
            ExportError: there is nothing to be gained, or the graph does not fit them.
        """
        raise ExportError("a fused form is for Transformers alone")

    def fix(self, spec: GraphSpec) -> GraphSpec:
        """Describe the graph that does the same with axes of fixed size.

        Raises:
            ExportError: there is nothing to be gained.
        """
        raise ExportError("a static form is for Transformers alone")

    def prove(self, runners: Mapping[str, Runner]) -> None:
        """Prove of the float32 graphs, by role, what no single call of one shows: here nothing.

        Raises:
            ExportError: they do not hold together.
        """

    def write_files(self, directory: Path) -> None:
        """Write what the bundle holds besides graphs, weights and samples: here nothing."""


def family_of(run: Run) -> Family:
    """Describe the model of a run.

    Raises:
        ExportError: nobody wrote down how its family is exported.
    """
    return family_class(run.recipe)(run)


def family_class(recipe: Recipe) -> type[Family]:
    """Return what describes the models of a recipe's family.

    Raises:
        ExportError: nobody wrote down how they are exported.
    """
    name = recipe.model.family
    if name not in FAMILIES:
        known = ", ".join(FAMILIES)
        raise ExportError(f"models of family '{name}' cannot be exported; those of {known} can")
    module, described = FAMILIES[name].split(":")
    return getattr(import_module(module), described)
