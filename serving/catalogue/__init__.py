"""The catalogue: every model the zoo offers, with the size and sha256 of each of its files.

`index.json` ships with the package, so what a name stands for is fixed by the installed version and
not by whoever serves the files. It is made from the bundles in `zoo/models` by
`python -m serving.catalogue`, and never edited by hand. Needs no TensorFlow.
"""

from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import model_validator

from serving.bundle.records import (
    MANIFEST_NAME,
    Cost,
    Device,
    Direction,
    FileName,
    ModelName,
    Pin,
    Record,
)
from serving.errors import UsageError, nearest

INDEX = Path(__file__).with_name("index.json")
MODELS = Path(__file__).parents[2] / "zoo" / "models"  # what the index of a checkout is made from


class Headline(Record):
    """The one number to show in a list of models."""

    name: str
    value: float
    unit: str
    better: Direction = "lower"


class Entry(Record):
    """One model.

    Attributes:
        variants: the graphs of each.
        devices: those that each variant suits.
        files: pins every file of its bundle, `bundle.json` included.
    """

    family: str
    task: str
    summary: str
    dataset: str
    dataset_license: str
    license: str
    parameters: int
    metric: Headline | None
    variants: dict[str, list[FileName]]
    devices: dict[str, list[Device]] = {}
    costs: dict[str, Cost] = {}
    files: dict[FileName, Pin]

    @model_validator(mode="after")
    def _every_graph_is_pinned(self) -> Self:
        for name in (name for graphs in self.variants.values() for name in graphs):
            if name not in self.files:
                raise ValueError(f"graph {name} is not among the files")
        return self

    def size(self, variant: str) -> int:
        """Return the bytes of one variant's graphs."""
        return sum(self.files[name].bytes for name in self.variants[variant])

    def needed(self, variant: str | None = None) -> list[str]:
        """Return the files that running and verifying a variant takes; all if none is named.

        Raises:
            UsageError: the model has no such variant.
        """
        if variant is None:
            return sorted(self.files)
        if variant not in self.variants:
            known = ", ".join(self.variants)
            hint = nearest(variant, self.variants)
            raise UsageError(f"there is no variant '{variant}'; the model has {known}{hint}")
        graphs = {name for graphs in self.variants.values() for name in graphs}
        left_out = graphs - set(self.variants[variant])
        return [
            name
            for name in sorted(self.files)
            if name not in left_out and not name.startswith("samples.") and name[-3:] != ".h5"
        ]


class Index(Record):
    """The contents of `index.json`.

    `mirrors` are places where `NAME/FILE` of the models can be found, the preferred one first; a
    relative one is relative to the folder of the index (`serving.hub.mirrors`).
    """

    schema_version: Literal[1] = 1
    mirrors: list[str] = []
    models: dict[ModelName, Entry]

    @model_validator(mode="after")
    def _every_manifest_is_pinned(self) -> Self:
        for name, entry in self.models.items():
            if MANIFEST_NAME not in entry.files:
                raise ValueError(f"{MANIFEST_NAME} of {name} is not among the files")
        return self


@cache
def index() -> Index:
    """Return the index that ships with the package."""
    return Index.model_validate_json(INDEX.read_bytes())


def models() -> dict[str, Entry]:
    """Return every model of the catalogue by name, in alphabetical order.

    Example:
        >>> all(entry.family for entry in models().values())
        True
    """
    return index().models
