"""Test vectors of a bundle: what each graph was given, and what the Keras model made of it.

They are an archive of NumPy's (`.npz`) with a member `ROLE.inputs.NAME` or `ROLE.outputs.NAME` for
each input and output that the manifest names. Those are read and no others, each only after its
header has said what the manifest says: numbers of one type, in a shape that the interface allows.
"""

import io
import math
import struct
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Literal, NamedTuple

import numpy as np

from serving.bundle.files import read_listed
from serving.bundle.manifest import Manifest
from serving.bundle.records import BundleError, Interface, Port
from serving.bundle.refusal import RefusedError, plain, shown
from serving.errors import first_line

VECTORS = "test_vectors.npz"
FILE_LIMIT = 64 * 2**20  # bytes
LIMIT = 256 * 2**20  # bytes of a role when unpacked
DIRECTORY_LIMIT = 2**18  # bytes that the names of an archive's members take; of 40 layers 20,000
_LONGEST = 2**20  # axis

# What readers of archives and arrays raise; RuntimeError where there is a password.
_UNREADABLE = (
    *(ValueError, EOFError, MemoryError, RuntimeError, SyntaxError, OSError, struct.error),
    *(zipfile.BadZipFile, zlib.error),
)
_END = struct.Struct("<4s4H2LH")  # of an archive
_END_SIGNATURE, _ZIP64_SIGNATURE = b"PK\x05\x06", b"PK\x06\x07"


class Vectors(NamedTuple):
    """Inputs of a graph by name, and the outputs that belong to them."""

    inputs: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]


def read_vectors(directory: Path, manifest: Manifest, role: str) -> Vectors:
    """Read the test vectors of a graph.

    Args:
        directory: of the bundle.
        manifest: of the bundle.
        role: of the graph.

    Raises:
        BundleError: the file is missing, altered, unreadable, or has not for each input and output
            of the graph one array of its type and axes.
    """
    listed = manifest.files.get(VECTORS)
    if listed is not None and listed.bytes > FILE_LIMIT:
        raise BundleError(f"{VECTORS} has {listed.bytes} bytes, over {FILE_LIMIT}")
    data = read_listed(directory, manifest.files, VECTORS)
    try:
        _check_directory(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _Reader(archive, role).vectors(manifest.interface[role])
    except RefusedError as refusal:
        raise BundleError(f"{VECTORS} {refusal}") from None
    except _UNREADABLE as error:
        raise BundleError(f"{VECTORS} cannot be read: {plain(first_line(error), 200)}") from error


def _check_directory(data: bytes) -> None:
    """Refuse an archive of so many members that listing them takes long."""
    if len(data) < _END.size:
        raise ValueError("it is no archive")
    signature, *_, size, _, comment = _END.unpack(data[-_END.size :])
    if signature != _END_SIGNATURE or comment or _ZIP64_SIGNATURE in data[-_END.size - 20 :]:
        raise ValueError("it is no archive as NumPy writes it")
    if size > DIRECTORY_LIMIT:
        raise RefusedError(f"has too many members: their names take {size} bytes")


class _Reader:
    """Reads the arrays of one graph, whose axes of one name have one size."""

    def __init__(self, archive: zipfile.ZipFile, role: str) -> None:
        self._archive, self._role = archive, role
        self._sizes: dict[str, int] = {}
        self._left = LIMIT

    def vectors(self, interface: Interface) -> Vectors:
        inputs = {port.name: self._array("inputs", port) for port in interface.inputs}
        outputs = {port.name: self._array("outputs", port) for port in interface.outputs}
        return Vectors(inputs, outputs)

    def _array(self, kind: str, port: Port) -> np.ndarray:
        name = f"{self._role}.{kind}.{port.name}"
        try:
            member = self._archive.getinfo(f"{name}.npy")
        except KeyError:
            raise RefusedError(f"says nothing about {shown(name)}") from None
        with self._archive.open(member) as file:
            shape, order, dtype = _header(file, name)
            self._require_axes(name, shape, port)
            size = math.prod(shape) * dtype.itemsize
            if dtype != np.dtype(port.dtype):
                raise RefusedError(f"has {dtype} for {shown(name)}, expected {port.dtype}")
            if size > self._left or member.file_size != file.tell() + size:
                raise RefusedError(f"has {member.file_size} bytes for {shown(name)}, not {size}")
            self._left -= size
            return np.frombuffer(file.read(size), dtype).reshape(shape, order=order)

    def _require_axes(self, name: str, shape: tuple[int, ...], port: Port) -> None:
        fits = len(shape) == len(port.axes)
        for size, axis in zip(shape, port.axes, strict=False):
            if isinstance(axis, str):
                known = self._sizes.setdefault(axis, size)
                fits = fits and known == size <= _LONGEST and (size > 0 or "past" in axis)
            else:
                fits = fits and size == axis
        if not fits:
            raise RefusedError(f"has {list(shape)} for {shown(name)}, expected {port.axes}")


def _header(file: IO[bytes], name: str) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype[Any]]:
    """Return the shape, the order of axes and the type that an array says it has."""
    if np.lib.format.read_magic(file) != (1, 0):
        raise RefusedError(f"has {shown(name)} in a form that is not known")
    shape, transposed, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=1000)
    return shape, "F" if transposed else "C", dtype
