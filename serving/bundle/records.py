"""The small records that manifests and indexes are made of."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import RLock
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from serving.errors import GenzooError

MANIFEST_NAME = "bundle.json"
NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,63}$"
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_DISABLE_PLUGINS = "PYDANTIC_DISABLE_PLUGINS"  # the variable that pydantic asks
AXIS_LIMIT = 2**24  # larger than any axis of a graph that a small machine could run


def _plain(name: str) -> str:
    if not FILE_NAME.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is not a plain name")
    return name


# Names become parts of paths and addresses, so neither can leave its folder.
ModelName = Annotated[str, Field(pattern=NAME_PATTERN)]
FileName = Annotated[str, AfterValidator(_plain)]
Word = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,127}$")]  # of parts of graphs
Device = Literal["cpu", "cuda", "web"]
Direction = Literal["lower", "higher"]


class BundleError(GenzooError):
    """A bundle that cannot be trusted or does not hold together."""


class Record(BaseModel):
    """Base of every record: no unknown keys, no silent conversions, no changes."""

    # Built when first used: most are only parts of others, which are built as one.
    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, defer_build=True
    )

    @classmethod
    def model_rebuild(cls, *, _parent_namespace_depth: int = 2, **settings: Any) -> bool | None:
        """Build what checks values, without plugins, which are for the models of programs.

        To find plugins, pydantic reads what every installed package says of itself.
        """
        with _no_plugins():
            return super().model_rebuild(
                _parent_namespace_depth=_parent_namespace_depth + 1, **settings
            )


_building = RLock()  # one thread at a time, which may build a record for another


@contextmanager
def _no_plugins() -> Iterator[None]:
    with _building:
        before = os.environ.get(_DISABLE_PLUGINS)
        os.environ[_DISABLE_PLUGINS] = "__all__"
        try:
            yield
        finally:
            if before is None:
                del os.environ[_DISABLE_PLUGINS]
            else:
                os.environ[_DISABLE_PLUGINS] = before


class Pin(Record):
    """What the bytes of a file must be."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


Axis = Word | Annotated[int, Field(gt=0, le=AXIS_LIMIT)]


class Port(Record):
    """One input or output of a graph; `axes` are names where dynamic and sizes where fixed."""

    name: Word
    dtype: Literal["float32", "int32", "int64", "uint8"]
    axes: Annotated[list[Axis], Field(max_length=8)]
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

        def size(axis: str | int) -> str | int:
            return axes.get(axis, axis) if isinstance(axis, str) else axis

        inputs, outputs = (
            [port.model_copy(update={"axes": [*map(size, port.axes)]}) for port in ports]
            for ports in (self.inputs, self.outputs)
        )
        return Interface(inputs=inputs, outputs=outputs)


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
