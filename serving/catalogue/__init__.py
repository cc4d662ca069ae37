"""The catalogue: every model the zoo offers, with the size and sha256 of each of its files.

`index.json` ships with the package, so what a name stands for is fixed by the installed version and
not by whoever serves the files. It is made from the bundles in `zoo/models` by
`python -m serving.catalogue`, and never edited by hand. Needs no TensorFlow.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from serving.errors import UsageError, nearest

INDEX = Path(__file__).with_name("index.json")
MANIFEST_NAME = "bundle.json"
# Names become parts of paths and addresses, so neither can leave its folder.
ModelName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]


class Record(BaseModel):
    """Base of every part of the index: no unknown keys, no silent conversions, no changes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Pin(Record):
    """What the bytes of a file must be."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class Headline(Record):
    """The one number to show in a list of models."""

    name: str
    value: float
    unit: str


class Speed(Record):
    """How many images or tokens a second a variant makes, so many at a time."""

    value: Annotated[float, Field(gt=0)]
    unit: str
    batch: Annotated[int, Field(ge=1)]
    device: str
    threads: Annotated[int, Field(ge=1)]


class Cost(Record):
    """What a variant costs to run, as it was measured in a process of its own; None is unknown.

    Attributes:
        load: seconds from the start of the process to its first image or token.
        memory: bytes of the process at the peak, Python and libraries included.
        speed: once it is loaded.
        hardware, date: where and when it was measured.
    """

    load: Annotated[float, Field(gt=0)] | None = None
    memory: Annotated[int, Field(gt=0)] | None = None
    speed: Speed | None = None
    hardware: str
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Entry(Record):
    """One model. `files` pins every file of its bundle, `bundle.json` included."""

    family: str
    task: str
    summary: str
    dataset: str
    dataset_license: str
    license: str
    parameters: int
    metric: Headline | None
    variants: dict[str, list[FileName]]
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

    `mirrors` are places where `NAME/FILE` of every model can be found, the preferred one first.
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
