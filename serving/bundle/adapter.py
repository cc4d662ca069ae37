"""An adapter as it is kept: a small folder beside which the model that it changes need not lie.

`adapter.json` says what it holds and of what weights it is a change, and lists its one other file,
of the format that ONNX Runtime calls an adapter. Both are read as those of a bundle are: no unknown
keys, nothing but what is listed, hashed before it is used.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from serving.bundle.adaptable import MOST_RANK, Sha256
from serving.bundle.files import lies_there, read_listed, read_regular
from serving.bundle.manifest import Manifest, Provenance
from serving.bundle.records import BundleError, FileName, ModelName, Pin, Record, Word
from serving.bundle.refusal import plain

ADAPTER_NAME = "adapter.json"
ADAPTER_LIMIT = 2**20  # bytes of `adapter.json`; a real one is a few kilobytes
FILE_LIMIT = 2**28  # bytes of what it lists

Rank = Annotated[int, Field(gt=0, le=MOST_RANK)]
Shape = Annotated[list[Annotated[int, Field(gt=0, le=2**24)]], Field(min_length=2, max_length=2)]


class Base(Record):
    """The model that an adapter changes: what it was called, and the sha256 of its weights."""

    name: str
    weights: Sha256


class Adapter(Record):
    """The contents of `adapter.json`.

    Attributes:
        base: what it changes; no other weights will do.
        rank, alpha, targets: that it was trained with; the numbers are scaled already.
        shapes: of its arrays by name, which are inputs of the graph.
        file: that holds them.
        parameters: how many numbers that is.
        provenance: of its training.
        metrics: of base and adapter together, the headline first.
        license: of the whole.
    """

    schema_version: Literal[1] = 1
    name: ModelName
    summary: str
    base: Base
    rank: Rank
    alpha: Annotated[float, Field(gt=0)]
    targets: list[str]
    shapes: Annotated[dict[Word, Shape], Field(min_length=1, max_length=4096)]
    file: FileName
    parameters: Annotated[int, Field(gt=0)]
    provenance: Provenance
    metrics: list[dict[str, Any]]
    files: dict[FileName, Pin]
    license: str

    def to_json(self) -> str:
        """Return it as the text of `adapter.json`."""
        return self.model_dump_json(indent=1, exclude_none=True) + "\n"


def read_adapter(directory: str | Path) -> tuple[Adapter, bytes]:
    """Read an adapter, and return what it says of itself and its file, checked by size and sha256.

    Raises:
        BundleError: there is none, or it is not what it says.
    """
    path = Path(directory) / ADAPTER_NAME
    if not lies_there(path):
        raise BundleError(
            f"{directory} is no adapter: it has no {ADAPTER_NAME}; genzoo export RUN --adapter "
            "makes one"
        )
    data = read_regular(path, ADAPTER_LIMIT)
    if len(data) > ADAPTER_LIMIT:
        raise BundleError(f"{path} is larger than {ADAPTER_LIMIT} bytes; export the adapter again")
    try:
        adapter = Adapter.model_validate_json(data, strict=True)
    except (ValidationError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} is no valid adapter: {_reason(error)}") from None
    listed = adapter.files.get(adapter.file)
    if listed is not None and listed.bytes > FILE_LIMIT:
        raise BundleError(f"{Path(directory) / adapter.file} is larger than {FILE_LIMIT} bytes")
    return adapter, read_listed(Path(directory), adapter.files, adapter.file)


def adapters_of(manifest: Manifest, adapters: Mapping[str, Path]) -> dict[str, Adapter]:
    """Return what those of some adapters say of themselves that are a change of a bundle's weights.

    Raises:
        BundleError: one is no adapter, or damaged.
    """
    taken = {each.adapters.weights for each in manifest.variants.values() if each.adapters}
    read = {name: read_adapter(place)[0] for name, place in adapters.items()}
    return {name: adapter for name, adapter in read.items() if adapter.base.weights in taken}


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))[:80] or 'the document'}: {first['msg'][:100]}"
    return plain(str(error))
