"""A GGUF file as it is, read only after what it says of itself was found to be true.

A file names counts, lengths and places that a reader would set memory aside for and jump to. Here
each is compared with the size of the file first, and with a limit that files of models are far
from, so that no file takes more time or memory than its bytes ask for.

Reference:
    https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

import hashlib
import math
import os
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType

from serving.bundle.refusal import shown
from serving.errors import first_line
from zoo.checkpoints.blocks import SIZE, Blocks
from zoo.checkpoints.checkpoint import CheckpointError

MAGIC, VERSIONS, ALIGNMENT = b"GGUF", (2, 3), 32
MOST_HEADER = 2**27  # bytes before the tensors; of 256,000 tokens and as many merges it is 2**24
MOST_VALUES = 2**22  # of all lists in it
MOST_KEYS, MOST_TENSORS = 2**12, 2**16
LONGEST_NAME, MOST_AXES = 64, 4  # of a tensor, as the reference says
LARGEST_ALIGNMENT = 2**16
KINDS = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1")  # of tensors that are read
BLOCKED = ("Q8_0", "Q4_0", "Q4_1")

_NUMBERS = {
    GGUFValueType.UINT8: "<B",
    GGUFValueType.INT8: "<b",
    GGUFValueType.UINT16: "<H",
    GGUFValueType.INT16: "<h",
    GGUFValueType.UINT32: "<I",
    GGUFValueType.INT32: "<i",
    GGUFValueType.FLOAT32: "<f",
    GGUFValueType.BOOL: "<B",
    GGUFValueType.UINT64: "<Q",
    GGUFValueType.INT64: "<q",
    GGUFValueType.FLOAT64: "<d",
}
_LEAST_TENSOR = 8 + 1 + 4 + 8 + 4 + 8  # bytes that say of a tensor what and where it is


@dataclass(frozen=True)
class Place:
    """Where a tensor lies in the file.

    Attributes:
        shape: the last axis is the one whose numbers lie side by side.
        kind: one of `KINDS`.
        start, size: in bytes, from the beginning of the file.
    """

    shape: tuple[int, ...]
    kind: str
    start: int
    size: int


class GGUFFile:
    """A file whose header is read and true; its numbers are read when they are asked for.

    Args:
        path: of the file.

    Attributes:
        metadata: what the file says of the model, by keys such as `llama.block_count`.
        places: of its tensors, by their names.

    Raises:
        CheckpointError: there is no such file, or it is not whole, not true to itself, or holds a
            type of tensor that is not read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = _opened(self.path)
        header = _Header(self._file, self.path)
        self.metadata = header.metadata()
        self.places = header.places(self.metadata.get("general.alignment", ALIGNMENT))

    def sha256(self) -> str:
        """Return the hash of the whole file."""
        self._file.seek(0)
        return hashlib.file_digest(self._file, "sha256").hexdigest()

    def array(self, name: str) -> np.ndarray:
        """Return a tensor as float32, exactly the numbers of the file.

        Raises:
            CheckpointError: not all of them are finite.
        """
        place = self.places[name]
        if place.kind in BLOCKED:
            return self.blocks(name).dequantised().reshape(place.shape)
        data = self._bytes(place)
        if place.kind == "BF16":  # the upper half of a float32
            numbers = (data.view("<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            numbers = data.view("<f4" if place.kind == "F32" else "<f2").astype(np.float32)
        self._require_finite(name, numbers)
        return numbers.reshape(place.shape)

    def blocks(self, name: str) -> Blocks:
        """Return a matrix of one of the types of `BLOCKED` as it is held.

        Raises:
            CheckpointError: not all scales are finite.
        """
        place = self.places[name]
        rows, columns = math.prod(place.shape[:-1]), place.shape[-1]
        count = columns // SIZE
        data = self._bytes(place).reshape(rows, count, -1)  # (rows, blocks, bytes of a block)
        heads = 2 if place.kind == "Q4_1" else 1  # float16 before the values
        numbers = np.ascontiguousarray(data[..., : 2 * heads]).view("<f2").astype(np.float16)
        stored = data[..., 2 * heads :]
        self._require_finite(name, numbers)
        minima = np.ascontiguousarray(numbers[..., 1]) if heads == 2 else None
        if place.kind == "Q8_0":
            values = np.ascontiguousarray(stored).view(np.int8)
        else:  # the lower halves of bytes are the first 16 values, the upper ones the others
            values = np.concatenate([stored & 15, stored >> 4], axis=-1).astype(np.int8)
            values -= 8 if place.kind == "Q4_0" else 0
        scales = np.ascontiguousarray(numbers[..., 0])
        bits = 8 if place.kind == "Q8_0" else 4
        return Blocks(values.reshape(rows, columns), scales, minima, bits)

    def _bytes(self, place: Place) -> np.ndarray:
        self._file.seek(place.start)
        data = np.frombuffer(self._file.read(place.size), np.uint8)
        if len(data) != place.size:
            raise CheckpointError(f"{self.path} was cut short while it was read; start again")
        return data

    def _require_finite(self, name: str, numbers: np.ndarray) -> None:
        if not np.isfinite(numbers).all():
            message = f"tensor {shown(name)} holds numbers that are not finite"
            raise CheckpointError(f"{self.path}: {message}; get the file again")


def _opened(path: Path) -> BinaryIO:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CheckpointError(f"{path} is no file; expected a GGUF file")
        return path.open("rb")
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {first_line(error)}") from error


class _Header:
    """Reads from the beginning of a file; each method goes on where the one before has ended."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._size = os.fstat(file.fileno()).st_size
        self._left, self._values_left = min(self._size, MOST_HEADER), MOST_VALUES
        if self._left < 24 or self._take(4) != MAGIC:
            raise self._refusal("is no GGUF file: it does not begin with 'GGUF'")
        version = self._number("<I")
        if version & 0xFFFF == 0:
            reason = "was written for big-endian machines; convert it with gguf-convert-endian"
            raise self._refusal(reason)
        if version not in VERSIONS:
            raise self._refusal(f"is of version {version}; expected 2 or 3; convert it again")
        self._tensors, self._keys = self._number("<Q"), self._number("<Q")
        if self._keys > MOST_KEYS or self._tensors > min(MOST_TENSORS, self._size // _LEAST_TENSOR):
            counts = f"{self._tensors} tensors and {self._keys} keys"
            raise self._refusal(f"claims {counts}, more than a file of its size can hold")

    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(self._keys):
            key = self._text("a key")
            if key in found:
                raise self._refusal(f"has key {shown(key)} twice")
            found[key] = self._value(key, self._number("<I"))
        return found

    def places(self, alignment: Any) -> dict[str, Place]:
        """Return where tensors lie: one after the other, aligned, within the file."""
        if (
            not isinstance(alignment, int)
            or not 0 < alignment <= LARGEST_ALIGNMENT
            or alignment & alignment - 1
        ):
            raise self._refusal(f"has alignment {shown(str(alignment))}; expected a power of two")
        found: dict[str, Place] = {}
        for _ in range(self._tensors):
            name = self._text("the name of a tensor", LONGEST_NAME)
            if name in found:
                raise self._refusal(f"has tensor {shown(name)} twice")
            found[name] = self._place(name, alignment)
        start = -(-self._file.tell() // alignment) * alignment  # what is told is told by here
        end, before = start, ""
        for name, place in sorted(found.items(), key=lambda pair: pair[1].start):
            place = Place(place.shape, place.kind, start + place.start, place.size)
            if place.start < end:
                raise self._refusal(f"has tensors {shown(before)} and {shown(name)} in one place")
            end, before = place.start + place.size, name
            if end > self._size:
                message = f"tensor {shown(name)} ends at byte {end} of {self._size}"
                raise self._refusal(f"is cut short: {message}")
            found[name] = place
        return found

    def _place(self, name: str, alignment: int) -> Place:
        axes = self._number("<I")
        if not 1 <= axes <= MOST_AXES:
            raise self._refusal(
                f"has tensor {shown(name)} of {axes} axes; expected 1 to {MOST_AXES}"
            )
        shape = tuple(self._number("<Q") for _ in range(axes))[::-1]
        number, offset = self._number("<I"), self._number("<Q")
        known = {kind.value: kind for kind in GGMLQuantizationType}
        kind = known[number].name if number in known else f"type {number}"
        if kind not in KINDS:
            message = f"has tensor {shown(name)} in {kind}; expected {', '.join(KINDS)}"
            raise self._refusal(f"{message}; get the model in one of these")
        count, size = GGML_QUANT_SIZES[known[number]]
        if min(shape) < 1 or max(shape) > self._size * count or shape[-1] % count:
            raise self._refusal(
                f"has tensor {shown(name)} of shape {shape}, which {kind} cannot have"
            )
        if offset % alignment:
            raise self._refusal(f"has tensor {shown(name)} at {offset}, no multiple of {alignment}")
        return Place(shape, kind, offset, math.prod(shape) // count * size)

    def _value(self, key: str, number: int, within: bool = False) -> Any:
        kind = self._kind(key, number)
        if kind == GGUFValueType.STRING:
            return self._text(f"the value of {shown(key)}")
        if kind != GGUFValueType.ARRAY:
            return self._plain(key, kind, self._number(_NUMBERS[kind]))
        kind, count = self._kind(key, self._number("<I")), self._number("<Q")
        self._values_left -= count
        if self._values_left < 0 or kind == GGUFValueType.ARRAY:
            raise self._refusal(f"has {count} values of {shown(key)}, too many or lists of lists")
        if kind == GGUFValueType.STRING:
            return [self._text(f"a value of {shown(key)}") for _ in range(count)]
        form = _NUMBERS[kind]
        data = self._take(count * struct.calcsize(form))
        return [self._plain(key, kind, value) for value in np.frombuffer(data, form).tolist()]

    def _kind(self, key: str, number: int) -> GGUFValueType:
        try:
            return GGUFValueType(number)
        except ValueError:
            raise self._refusal(f"has a value of {shown(key)} of unknown type {number}") from None

    def _plain(self, key: str, kind: GGUFValueType, value: Any) -> Any:
        if kind != GGUFValueType.BOOL:
            return value
        if value > 1:
            raise self._refusal(f"has {value} for {shown(key)}; expected 0 or 1")
        return bool(value)

    def _text(self, what: str, longest: int = MOST_HEADER) -> str:
        length = self._number("<Q")
        if length > longest:
            raise self._refusal(f"has {length} bytes for {what}; at most {longest} are read")
        try:
            return self._take(length).decode()
        except UnicodeDecodeError:
            raise self._refusal(f"has no UTF-8 text for {what}") from None

    def _number(self, form: str) -> Any:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _take(self, count: int) -> bytes:
        self._left -= count
        data = self._file.read(count) if self._left >= 0 else b""
        if len(data) < count:
            raise self._refusal("is cut short, or claims more than it holds")
        return data

    def _refusal(self, reason: str) -> CheckpointError:
        return CheckpointError(f"{self._path} {reason}")
