"""What the exporting of a model asks of its family. A new family is one such class."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from export.checkpoints.format import Format
from export.errors import ExportError
from export.families.forms import Form, portable_forms
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import Runner
from export.run import Run
from serving import registry
from serving.bundle.manifest import Quality, Variant
from serving.content.content import Distance
from serving.errors import UsageError
from zoo.config import Config
from zoo.metric import Metric
from zoo.recipe import Recipe


class Exporter(ABC):
    """A trained model, described for its way out of Keras.

    Args:
        run: the model, with what is known of its training.

    Attributes:
        task: in words, for the catalogue.
        pipeline_tag, tags: of Hugging Face.
        metric: name of the headline metric in `metrics.json`; it is listed first.
        adapted: names of the layers that some form takes an adapter of at a call.
        guided: whether a judge can steer what it draws, see `export.families.guidance`.
        auto: by device, the forms that lose nothing, in the order of speed to be expected.
        notes: sentences on the axes of the interface, for the card.
        form_notes: a sentence for the card on each kind of form that is used otherwise than the
            first.
        content: the kind of content that it makes.
        credits: whom that is by which its samples are made of, one a line, as the licence asks.
    """

    task: ClassVar[str]
    pipeline_tag: ClassVar[str]
    tags: ClassVar[Sequence[str]] = ()
    metric: ClassVar[str]
    adapted: ClassVar[Sequence[str]] = ()
    guided: ClassVar[bool] = False
    auto: ClassVar[Mapping[str, Sequence[str]]] = {"cpu": ("fp32",), "cuda": ("fp16", "fp32")}

    notes: Sequence[str] = ()
    form_notes: Mapping[str, str] = MappingProxyType({})
    credits: Sequence[str] = ()

    def __init__(self, run: Run):
        self.run = run
        self.family = registry.family(run.recipe.model.family)
        self.content: Any = registry.content(str(self.family.gives))

    # --- graphs ---

    @property
    @abstractmethod
    def graphs(self) -> Sequence[GraphSpec]:
        """What is exported; the first is what serves by default."""

    @property
    @abstractmethod
    def processing(self) -> dict[str, Any]:
        """How content enters and leaves the graphs, in the words of the family's runtime."""

    def forms(self) -> Sequence[Form]:
        """Return the variants that there are, and how each is made: here those of standard ONNX."""
        return portable_forms(self)

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Return real inputs of a graph, in batches, to choose the ranges of 8-bit numbers from."""
        return [spec.sample(64, seed) for seed in range(8)]

    def prove(self, runners: Mapping[str, Runner]) -> None:  # noqa: B027
        """Prove of float32 graphs, by role, what no single call of one shows: here nothing.

        Raises:
            ExportError: they do not hold together.
        """

    # --- quality ---

    @abstractmethod
    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure the graphs, by role, by the model's own metric on real data."""

    def tolerance(self, precision: str, reference: Quality) -> float:
        """Return how much worse a variant may be than float32; here by a hundredth of it."""
        return 0.01 * abs(reference.value)

    @classmethod
    @abstractmethod
    def evaluate(cls, recipe: Recipe, served: Any, settings: Config) -> list[Metric]:
        """Measure a bundle, loaded by `serving.load`, as its training run was measured."""

    # --- what else a bundle holds ---

    @abstractmethod
    def samples(self, generator: Any) -> Any:
        """Draw the card's samples, from Keras or from `serving`, the same from both."""

    def compare(self, found: Any, expected: Any) -> Distance:
        """Say how far samples are from those of Keras, of the same seed."""
        distance: Distance = self.content.compare(found, expected)
        return distance

    def formats(self) -> Sequence[Format]:
        """Return the formats that there are beside those of graphs: here none."""
        return ()

    def write_assets(self, directory: Path, variants: Mapping[str, Variant]) -> dict[str, str]:
        """Write what the model needs beside graphs and weights: here nothing.

        Args:
            directory: of the bundle.
            variants: whose graphs are there.

        Returns:
            The files that the runtime is given, by what they are.
        """
        return {}

    @property
    @abstractmethod
    def limitations(self) -> list[str]:
        """What the card warns of, one sentence each."""

    @property
    @abstractmethod
    def snippet(self) -> str:
        """Python for the card: samples from the files alone, without this package."""


def exporter_of(run: Run) -> Exporter:
    """Describe the model of a run.

    Raises:
        ExportError: nobody wrote down how its family is exported.
    """
    return exporter_class(run.recipe)(run)


def exporter_class(recipe: Recipe) -> type[Exporter]:
    """Return what describes the models of a recipe's family.

    Raises:
        ExportError: nobody wrote down how they are exported.
    """
    name = recipe.model.family
    try:
        found: type[Exporter] = registry.load(registry.family(name), "exporter")
        return found
    except UsageError:
        known = [key for key, each in registry.families().items() if each.exporter]
        raise ExportError(
            f"models of family '{name}' cannot be exported; those of {', '.join(known)} can"
        ) from None
