"""The bundle: what a model is once it leaves Keras.

A bundle is a flat folder whose `bundle.json` says everything about it: which files there are (with
size and sha256), what each graph takes and returns, how pixels are scaled or text is tokenized,
what was measured, and where the weights come from. This file is its schema, shared by the exporter
that writes bundles and the sessions that load them.
"""

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    field_validator,
)

from serving.catalogue import Cost
from serving.errors import GenzooError

SCHEMA_VERSION = 1
MANIFEST_NAME = "bundle.json"
MANIFEST_LIMIT = 4 * 2**20  # bytes; a real manifest is a few kilobytes
NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,63}$"
REMEDY = "fetch or export the bundle again"
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


class BundleError(GenzooError):
    """A bundle that cannot be trusted or does not hold together."""


class Record(BaseModel):
    """Base of every part of the manifest: no unknown keys, no silent conversions, no changes."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class FileEntry(Record):
    """One file of the bundle."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class Port(Record):
    """One input or output of a graph; `axes` are names where dynamic and sizes where fixed."""

    name: str
    dtype: Literal["float32", "int32", "int64", "uint8"]
    axes: list[str | int]
    meaning: str


class Interface(Record):
    """What a graph takes and returns, the same in every variant but for `Variant.axes`."""

    inputs: list[Port]
    outputs: list[Port]

    def fixed(self, axes: Mapping[str, int]) -> "Interface":
        """Return it with a size for each axis that is named.

        Example:
            >>> port = Port(name="x", dtype="float32", axes=["batch", "past"], meaning="any")
            >>> Interface(inputs=[port], outputs=[]).fixed({"past": 8}).inputs[0].axes
            ['batch', 8]
        """
        inputs, outputs = (
            [
                port.model_copy(update={"axes": [axes.get(axis, axis) for axis in port.axes]})
                for port in ports
            ]
            for ports in (self.inputs, self.outputs)
        )
        return Interface(inputs=inputs, outputs=outputs)


class Quality(Record):
    """The model's own metric, measured on this variant, and its change against float32."""

    metric: str
    value: float
    change: float
    definition: str
    samples: int


class Variant(Record):
    """One precision of the model.

    `graphs` maps a graph's role (`encoder`, `decoder`) to its file; `parity` is the largest
    absolute difference from the Keras model over every output, batch size and seed tried; `nodes`
    counts the operators of each graph. `portable` graphs are standard ONNX. `static` ones are too,
    take padding on the right, and write into a cache of fixed size; `axes` says which of the
    interface's axes have which size. `fused` ones are for ONNX Runtime alone, take padding on the
    right, and fill a cache that has room in place. `cost` is of these very graphs, and is unknown
    until `genzoo bench --record` has measured it.
    """

    graphs: dict[str, str]
    flavour: Literal["portable", "static", "fused"] = "portable"
    axes: dict[str, Annotated[int, Field(gt=0)]] | None = None
    nodes: dict[str, int] = {}
    opset: int
    parity: float
    quality: Quality | None = None
    cost: Cost | None = None


class Processing(Record):
    """How pixels enter and leave a graph: `pixel = round(clip(image, low, high) * scale)`."""

    image_shape: Annotated[list[int], Field(min_length=3, max_length=3)]
    layout: Literal["NHWC"] = "NHWC"
    low: float = 0.0
    high: float = 1.0
    scale: float = 255.0
    latent_dim: Annotated[int, Field(gt=0)]
    classes: Annotated[int, Field(ge=0)] = 0
    noise: Literal["numpy.random.RandomState(seed).standard_normal"] = (
        "numpy.random.RandomState(seed).standard_normal"
    )


class TextProcessing(Record):
    """How text enters and leaves a graph: by a tokenizer, and with random numbers of the host.

    A token is drawn where one number of the stream falls in the cumulated probabilities, in the
    order of the ids.
    """

    kind: Literal["text"] = "text"
    tokenizer: Literal["tokenizer.json"] = "tokenizer.json"
    vocabulary_size: Annotated[int, Field(gt=0)]
    context: Annotated[int, Field(gt=0)]
    noise: Literal["numpy.random.RandomState(seed).random_sample"] = (
        "numpy.random.RandomState(seed).random_sample"
    )


def _kind(processing: Any) -> str:
    """Tell text from images, whose manifests say nothing of a kind."""
    if isinstance(processing, dict):
        return processing.get("kind", "image")
    return getattr(processing, "kind", "image")


AnyProcessing = Annotated[
    Annotated[Processing, Tag("image")] | Annotated[TextProcessing, Tag("text")],
    Discriminator(_kind),
]


class Provenance(Record):
    """Where the weights come from: enough to make them again."""

    recipe: dict[str, Any]
    git_commit: str | None = None
    seed: int
    dataset: str
    dataset_license: str
    packages: dict[str, str]
    train_seconds: float
    hardware: str


class Manifest(Record):
    """The contents of `bundle.json`."""

    schema_version: Literal[1] = SCHEMA_VERSION
    name: Annotated[str, Field(pattern=NAME_PATTERN)]
    family: Literal["vae", "gan", "transformer"]
    task: str
    summary: str
    parameters: Annotated[int, Field(gt=0)]
    variants: dict[str, Variant]
    interface: dict[str, Interface]
    processing: AnyProcessing
    metrics: list[dict[str, Any]]
    files: dict[str, FileEntry]
    provenance: Provenance
    license: str

    @field_validator("files")
    @classmethod
    def _flat_names(cls, files: dict[str, FileEntry]) -> dict[str, FileEntry]:
        for name in files:
            if not FILE_NAME.fullmatch(name):
                raise ValueError(f"file name {name!r} is not a plain name")
        return files

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
    if not os.path.lexists(path):
        raise BundleError(f"{directory} is not a bundle: it has no {MANIFEST_NAME}")
    data = read_regular(path, MANIFEST_LIMIT)
    if len(data) > MANIFEST_LIMIT:
        raise BundleError(f"{path} is larger than {MANIFEST_LIMIT} bytes; fetch the bundle again")
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise BundleError(f"{path} is not a valid manifest: {where}: {first['msg']}") from error


def read_regular(path: Path, limit: int) -> bytes:
    """Read a file of a bundle, up to one byte more than the limit.

    A file with several names (hard links) is a regular one: installers make them, and what counts
    is that the bytes read here are the ones that are checked and used.

    Raises:
        BundleError: it is missing, a link, or not a regular file.
    """
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise BundleError(f"{path} is a link or not a regular file; {REMEDY}")
        # Between the look and the opening the file may have been replaced by a link or a pipe.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
            # Python sets memory aside for all that may be read, so a limit that lies is costly.
            return file.read(min(limit, os.fstat(file.fileno()).st_size) + 1)
    except FileNotFoundError:
        raise BundleError(f"{path} is missing; {REMEDY}") from None


def sha256(path: str | Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
