"""The manifest: what a bundle says of itself, in `bundle.json`.

A bundle is a flat folder whose manifest says everything about it: which files there are (with size
and sha256), what each graph takes and returns, what the model can be asked for, how content enters
and leaves, what was measured, and where the weights come from. This is its schema, version 2,
shared by the exporter that writes bundles and the sessions that load them. What version 1 says is
read as version 2 would say it (`serving.bundle.version_1`).
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from serving.bundle.adaptable import Adaptable
from serving.bundle.files import lies_there, read_regular
from serving.bundle.records import (
    MANIFEST_NAME,
    BundleError,
    Cost,
    Device,
    Direction,
    FileName,
    Interface,
    ModelName,
    Pin,
    Port,
    Record,
    Word,
)
from serving.bundle.version_1 import upgraded

MANIFEST_LIMIT = 4 * 2**20  # bytes; a real manifest is a few kilobytes
SHOWN = 200  # characters of an error that quotes a manifest

Sizes = dict[str, Annotated[int, Field(gt=0)]]


class Quality(Record):
    """The model's own metric, measured on this variant, and its change against float32."""

    metric: str
    value: float
    change: float
    definition: str
    samples: int
    better: Direction = "lower"

    @property
    def loss(self) -> float:
        """How much worse than float32 it is; below 0 where it is better."""
        return self.change if self.better == "lower" else -self.change


class Variant(Record):
    """One form of the model.

    Attributes:
        graphs: the file of each graph, by the graph's role (`encoder`, `decoder`).
        weights: the file with the constants of a graph that is too large for one, by its role.
        form: what the family knows these graphs by; `portable` ones are standard ONNX that takes
            what the interface says.
        axes: which of the interface's axes have a fixed size here.
        devices: that it suits.
        nodes: number of operators of each graph.
        opset: version of the ONNX operators.
        parity: largest absolute difference from the Keras model over every output, batch size and
            seed tried.
        runtimes: oldest release that takes it, by runtime.
        quality: unknown where there are no data to measure it on.
        cost: of these very graphs; unknown until `genzoo bench --record` has measured it.
        adapters: which changes of its weights it takes at a call, if it takes any.
    """

    graphs: Annotated[dict[Word, FileName], Field(min_length=1, max_length=32)]
    weights: Annotated[dict[Word, FileName], Field(max_length=32)] | None = None
    form: str = "portable"
    axes: Sizes | None = None
    devices: list[Device] = []
    nodes: dict[str, int] = {}
    opset: int
    parity: float
    runtimes: dict[str, str] = {}
    quality: Quality | None = None
    cost: Cost | None = None
    adapters: Adaptable | None = None

    def adapter_inputs(self, role: str) -> list[Port]:
        """Return the inputs of a graph that are an adapter's, and may be left out."""
        return [] if self.adapters is None else self.adapters.inputs.get(role, [])

    @property
    def files(self) -> list[str]:
        """All files of its graphs."""
        return [*self.graphs.values(), *(self.weights or {}).values()]


class Origin(Record):
    """The checkpoint of somebody else's that weights were imported from.

    Attributes:
        source: the name of the folder or file.
        sha256: of its weights.
        license: as the checkpoint states it.
    """

    source: str
    sha256: str
    license: str


class Provenance(Record):
    """Where weights come from: enough to make them again.

    `git_clean` says whether the checkout was just that commit; None where nobody looked.
    `checkpoint` is what they were imported from, or what the model was that they go on from; the
    data set is then what came after, if anything did.
    """

    recipe: dict[str, Any]
    git_commit: str | None = None
    git_clean: bool | None = None
    seed: int
    dataset: str
    dataset_license: str
    packages: dict[str, str]
    train_seconds: float
    hardware: str
    checkpoint: Origin | None = None


class Part(Record):
    """One trained model of a bundle, of which most have a single one."""

    weights: FileName | None = None
    parameters: Annotated[int, Field(gt=0)]
    provenance: Provenance
    license: str


class Manifest(Record):
    """The contents of `bundle.json`.

    Attributes:
        content: the kind of content that the model makes; see `serving.content`.
        calls: what it can be asked for, in words that other programs read.
        parts: its trained models by name; the one that was trained last comes first.
        assets: files that are no graphs and no weights, by what they are to the family.
        auto: by device, the variants that lose nothing, in the order of speed to be expected.
        processing: how content enters and leaves the graphs; what it holds is the family's.
        metrics: of the whole model, the headline first.
    """

    schema_version: Literal[2] = 2
    name: ModelName
    family: Word
    content: Word
    task: str
    summary: str
    calls: dict[str, Any] = {}
    parts: Annotated[dict[Word, Part], Field(min_length=1, max_length=16)]
    assets: dict[Word, FileName] = {}
    auto: dict[Device, list[str]] = {}
    variants: Annotated[dict[Word, Variant], Field(max_length=64)]
    interface: Annotated[dict[Word, Interface], Field(max_length=32)]
    processing: dict[str, Any]
    metrics: list[dict[str, Any]]
    files: dict[FileName, Pin]
    license: str

    @field_validator("metrics")
    @classmethod
    def _have_names_and_values(cls, metrics: list[dict[str, Any]]) -> list[dict[str, Any]]:
        for metric in metrics:
            if not isinstance(metric.get("name"), str) or not _is_number(metric.get("value")):
                raise ValueError("a metric has no name, or no number as its value")
        return metrics

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        for name, variant in self.variants.items():
            if variant.graphs.keys() != self.interface.keys():
                raise ValueError(
                    f"variant {name} has the graphs {', '.join(variant.graphs)}; the interface "
                    f"describes {', '.join(self.interface)}"
                )
            if variant.adapters and not variant.adapters.inputs.keys() <= self.interface.keys():
                raise ValueError(f"variant {name} has inputs of adapters for a graph it has not")
        return self

    @property
    def main(self) -> Part:
        """The part that was trained last."""
        return next(iter(self.parts.values()))

    @property
    def provenance(self) -> Provenance:
        """Where the weights of the main part come from."""
        return self.main.provenance

    @property
    def parameters(self) -> int:
        """Number of parameters of all parts together."""
        return sum(part.parameters for part in self.parts.values())

    def interface_of(self, variant: str) -> dict[str, Interface]:
        """Return what the graphs of a variant take and return, by role."""
        axes = self.variants[variant].axes or {}
        return {role: interface.fixed(axes) for role, interface in self.interface.items()}

    def to_json(self) -> str:
        """Return it as the text of `bundle.json`."""
        return self.model_dump_json(indent=1, exclude_none=True) + "\n"


def read_manifest(directory: str | Path) -> Manifest:
    """Read and check `bundle.json`; the files it lists are not opened.

    Raises:
        BundleError: there is no manifest, or it does not follow the schema.
    """
    path = Path(directory) / MANIFEST_NAME
    if not lies_there(path):
        raise BundleError(f"{directory} is not a bundle: it has no {MANIFEST_NAME}")
    data = read_regular(path, MANIFEST_LIMIT)
    if len(data) > MANIFEST_LIMIT:
        raise BundleError(f"{path} is larger than {MANIFEST_LIMIT} bytes; fetch the bundle again")
    return parse_manifest(data, path)


def parse_manifest(data: bytes, where: str | Path = MANIFEST_NAME) -> Manifest:
    """Return what the bytes of a manifest say; `where` it is from is for the error.

    Raises:
        BundleError: they do not follow the schema.
    """
    try:
        document = json.loads(data)
        if isinstance(document, dict) and document.get("schema_version", 1) == 1:
            document = upgraded(document)
        # JSON, in which a list is no tuple and a number is no word.
        return Manifest.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])[:SHOWN] or "the document"
        reason = f"{place}: {first['msg'].removeprefix('Value error, ')[:SHOWN]}"
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"[:SHOWN]
    raise BundleError(f"{where} is not a valid manifest: {reason!s}") from None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
