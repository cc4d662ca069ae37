"""The catalogue: every model the zoo offers, with the size and sha256 of each of its files.

`index.json` ships with the package, so what a name stands for is fixed by the installed version and
not by whoever serves the files. It is made from the bundles in `zoo/models` by
`python -m zoo.catalogue`, and never edited by hand. Needs no TensorFlow.
"""

from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

INDEX = Path(__file__).with_name("index.json")


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


class Entry(Record):
    """One model. `files` pins every file of its bundle, `bundle.json` included."""

    family: str
    task: str
    summary: str
    dataset: str
    parameters: int
    metric: Headline | None
    variants: dict[str, list[str]]
    files: dict[str, Pin]

    def size(self, variant: str) -> int:
        """Return the bytes of one variant's graphs."""
        return sum(self.files[name].bytes for name in self.variants[variant])


class Index(Record):
    """The contents of `index.json`."""

    schema_version: Literal[1] = 1
    models: dict[str, Entry]


@cache
def models() -> dict[str, Entry]:
    """Return every model of the catalogue by name, in alphabetical order.

    Example:
        >>> all(entry.family for entry in models().values())
        True
    """
    return Index.model_validate_json(INDEX.read_bytes()).models
