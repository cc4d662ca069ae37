"""Reads an ONNX file, which is a protobuf message, as far as graphs of the zoo go and no further.

The table below names every field that such a graph may have, and the reader refuses the rest. So
whatever else the format can express (sparse tensors, subgraphs, functions, training graphs, what
later versions add) is refused without having to be foreseen. Numbers may lie in one other file, if
the caller names it.

The field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

import math
import mmap
import re
import struct
from typing import Any, NamedTuple, NoReturn, TypeAlias

import numpy as np

from serving.bundle.refusal import RefusedError, shown

Message = dict[str, Any]
Bytes: TypeAlias = bytes | mmap.mmap  # what can be looked at, of which a slice is bytes

MOST_FIELDS = 500_000  # in a file; one of a thousand operators has 20,000
MOST_NUMBERS = 64  # in a list
LARGEST_SIZE = 2**31  # of one axis
MOST_AXES = 8
ALIGNMENT = 64  # bytes, of numbers in another file
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")

# Field number -> "name kind", with `*` where it may be repeated. What is `data` stays where it is.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {
        1: "ir_version int",
        2: "producer_name text",
        3: "producer_version text",
        4: "domain text",
        5: "model_version int",
        6: "doc_string text",
        7: "graph graph",
        8: "opset_import opset*",
        14: "metadata_props property*",
    },
    "opset": {1: "domain text", 2: "version int"},
    "property": {1: "key text", 2: "value text"},
    "graph": {
        1: "node node*",
        2: "name text",
        5: "initializer tensor*",
        10: "doc_string text",
        11: "input value*",
        12: "output value*",
        13: "value_info value*",
        16: "metadata_props property*",
    },
    "node": {
        1: "input text*",
        2: "output text*",
        3: "name text",
        4: "op_type text",
        5: "attribute attribute*",
        6: "doc_string text",
        7: "domain text",
        9: "metadata_props property*",
    },
    "attribute": {
        1: "name text",
        2: "f float",
        3: "i int",
        4: "s text",
        5: "t tensor",
        7: "floats float*",
        8: "ints int*",
        13: "doc_string text",
        20: "type int",
    },
    "tensor": {
        1: "dims int*",
        2: "data_type int",
        4: "float_data data",
        5: "int32_data data",
        7: "int64_data data",
        8: "name text",
        9: "raw_data data",
        10: "double_data data",
        12: "doc_string text",
        13: "external_data property*",
        14: "data_location int",  # 1: the numbers are in another file
        16: "metadata_props property*",
    },
    "value": {1: "name text", 2: "type type", 3: "doc_string text", 4: "metadata_props property*"},
    "type": {1: "tensor_type tensor_type", 6: "denotation text"},
    "tensor_type": {1: "elem_type int", 2: "shape shape"},
    "shape": {1: "dim dimension*"},
    "dimension": {1: "dim_value int", 2: "dim_param text", 3: "denotation text"},
}
_WELL_KNOWN = {  # absent from the table on purpose; here for the error message alone
    ("model", 20): "training_info",
    ("model", 25): "functions",
    ("graph", 15): "sparse_initializer",
    ("attribute", 6): "g",
    ("attribute", 10): "tensors",
    ("attribute", 11): "graphs",
    ("attribute", 22): "sparse_tensor",
    ("attribute", 23): "sparse_tensors",
    ("tensor", 6): "string_data",
}
_VARINT, _SIZED, _FIXED32 = 0, 2, 5  # how a value is written
_WRITTEN = {"int": _VARINT, "float": _FIXED32}
_FLOAT = struct.Struct("<f")

# What holds the elements of each type, where they are no raw data.
DTYPES: dict[int, np.dtype[Any]] = {
    1: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    6: np.dtype("<i4"),
    7: np.dtype("<i8"),
    9: np.dtype("?"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
}


class _Field(NamedTuple):
    name: str
    kind: str
    repeated: bool
    written: int


def _field(text: str) -> _Field:
    name, kind = text.rstrip("*").split()
    return _Field(name, kind, text.endswith("*"), _WRITTEN.get(kind, _SIZED))


# By what a field begins with: its number, and how its value is written.
_FIELDS = {
    message: {number << 3 | _field(text).written: _field(text) for number, text in fields.items()}
    for message, fields in _MESSAGES.items()
}


class WeightsFile(NamedTuple):
    """The one file beside a graph that numbers of it may be in: its name, and how long it is."""

    name: str
    size: int


def read_model(data: Bytes, weights: WeightsFile | None = None) -> Message:
    """Read an ONNX file into dictionaries by the names of onnx.proto; lists where repeated.

    A tensor's numbers stay where they are; see `elements`.

    Args:
        data: the content of the file.
        weights: the file beside it that numbers may be in; without, they must all be in this one.

    Raises:
        RefusedError: it is no such file, or holds a field that is not allowed.
    """
    return _Reader(data, weights).message("model", 0, len(data))


class _Reader:
    """Reads messages by the table."""

    def __init__(self, data: Bytes, weights: WeightsFile | None) -> None:
        self._data, self._view, self._fields_left = data, memoryview(data), MOST_FIELDS
        self._weights = weights

    def message(self, kind: str, position: int, end: int) -> Message:
        fields, data = _FIELDS[kind], self._data
        message: Message = {}
        while position < end:
            key, position = data[position], position + 1
            field = fields.get(key) if key < 0x80 else None
            if field is None:
                field, position = self._field(kind, position - 1, end)
            self._fields_left -= 1
            if self._fields_left < 0:
                raise RefusedError(f"it has more than {MOST_FIELDS} fields")
            if field.written == _FIXED32:
                bits, position = data[position : position + 4], position + 4
                value: Any = _FLOAT.unpack(bits)[0] if position <= end else _cut()
            else:
                value = data[position] if position < end else _cut()
                position += 1
                if value >= 0x80:
                    value, position = _varint(data, position - 1, end)
                if field.written == _SIZED:
                    start, position = position, position + value
                    value = self._sized(kind, field, start, position, end)
            if field.repeated:
                message.setdefault(field.name, []).append(value)
            elif field.name in message:  # which one counts would depend on who reads it
                raise RefusedError(f"{kind} has two values of {field.name}")
            else:
                message[field.name] = value
        if kind == "tensor":
            _check_tensor(message, self._weights)
        elif kind == "attribute":
            _check_list(message)
        return message

    def _field(self, kind: str, position: int, end: int) -> tuple["_Field", int]:
        """Return a field whose number takes more than one byte, and the position after it."""
        key, position = _varint(self._data, position, end)
        field = _FIELDS[kind].get(key)
        if field is None:
            raise RefusedError(_unknown(kind, key))
        return field, position

    def _sized(self, kind: str, field: "_Field", start: int, stop: int, end: int) -> Any:
        if not start <= stop <= end:
            _cut()
        if field.kind == "text":
            try:
                return self._data[start:stop].decode()
            except UnicodeDecodeError:
                raise RefusedError(f"{kind} {field.name} is not UTF-8 text") from None
        if field.kind == "data":
            return self._view[start:stop]
        return self.message(field.kind, start, stop)


def _varint(data: Bytes | memoryview, position: int, end: int) -> tuple[int, int]:
    """Return the variable-length integer at `position` and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[position] if position < end else _cut()
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            value &= 0xFFFFFFFFFFFFFFFF
            return value - (value >> 63 << 64), position
    raise RefusedError("an integer in it is longer than ten bytes")


def _cut() -> NoReturn:
    raise RefusedError("it is cut short")


def _unknown(kind: str, key: int) -> str:
    number = key >> 3
    if any(known >> 3 == number for known in _FIELDS[kind]):
        return f"field {number} of a {kind} is not written as it should be; is it an ONNX file?"
    name = _WELL_KNOWN.get((kind, number), "unknown")
    return f"a {kind} has field {number} ({name}), which is not allowed"


def _check_tensor(tensor: Message, weights: WeightsFile | None) -> None:
    """Refuse a tensor that has not exactly the data for its shape, here or where it says."""
    kind, name, dims = tensor.get("data_type", 0), tensor.get("name", ""), tensor.get("dims", [])
    dtype = DTYPES.get(kind)
    if dtype is None:
        raise RefusedError(f"tensor {shown(name)} is of type {kind}, which is not allowed")
    count, possible = math.prod(dims), len(dims) <= MOST_AXES
    possible = possible and all(0 <= size <= LARGEST_SIZE for size in dims)
    fields = [field for field in ("raw_data", *_PACKED) if field in tensor]
    if tensor.get("data_location", 0) or "external_data" in tensor:
        if weights is None:
            raise RefusedError(f"the data of tensor {shown(name)} would be in another file")
        whole = not fields and start_of(tensor, weights) is not None
    elif fields == ["raw_data"]:
        whole = len(tensor["raw_data"]) == count * dtype.itemsize
    elif fields:
        whole = fields == [_typed(kind)] and _numbers(fields[0], tensor[fields[0]]) == count
    else:
        whole = count == 0
    if not (possible and whole):
        raise RefusedError(f"tensor {shown(name)} has not the data for {count} elements")


def start_of(tensor: Message, weights: WeightsFile) -> int | None:
    """Return where in another file the numbers of a tensor begin.

    None where they do not lie there whole, and as exporters put them: at a multiple of 64 bytes.
    """
    entries = [(each.get("key"), each.get("value", "")) for each in tensor.get("external_data", ())]
    told = dict(entries)
    if sorted(str(key) for key, _ in entries) != ["length", "location", "offset"]:
        return None
    if told["location"] != weights.name or tensor.get("data_location") != 1:
        return None
    if not all(_DECIMAL.fullmatch(told[key]) for key in ("length", "offset")):
        return None
    start, length = int(told["offset"]), int(told["length"])
    size = math.prod(tensor.get("dims", [])) * DTYPES[tensor["data_type"]].itemsize
    fits = length == size > 0 and start + length <= weights.size and start % ALIGNMENT == 0
    return start if fits else None


def _check_list(message: Message) -> None:
    for field in ("ints", "floats"):
        if len(message.get(field, ())) > MOST_NUMBERS:
            raise RefusedError(f"an attribute has more than {MOST_NUMBERS} {field}")


# How numbers lie in a tensor that has no raw data: so many bytes each, or as many as each takes.
_PACKED = {"float_data": 4, "int32_data": None, "int64_data": None, "double_data": 8}


def _typed(kind: int) -> str:
    """Return the field for elements of a type; the smaller ones are written as int32."""
    return {1: "float_data", 7: "int64_data", 11: "double_data"}.get(kind, "int32_data")


def _numbers(field: str, data: memoryview) -> float:
    """Return how many numbers are written one after the other."""
    if width := _PACKED[field]:
        return len(data) / width
    if len(data) and data[-1] >= 0x80:
        _cut()
    return int(np.count_nonzero(np.frombuffer(data, np.uint8) < 0x80))


def elements(tensor: Message) -> np.ndarray:
    """Return the numbers of a small tensor that `read_model` has read, in its shape.

    Example:
        >>> elements({"dims": [2], "data_type": 7, "raw_data": bytes(16)}).tolist()
        [0, 0]
    """
    dtype, field = DTYPES[tensor["data_type"]], _typed(tensor["data_type"])
    if "raw_data" in tensor:
        numbers = np.frombuffer(tensor["raw_data"], dtype)
    elif field not in tensor:
        numbers = np.zeros(0, dtype)
    elif _PACKED[field]:
        numbers = np.frombuffer(tensor[field], dtype)
    else:
        data, position, found = tensor[field], 0, []
        while position < len(data):
            number, position = _varint(data, position, len(data))
            found.append(number)
        numbers = np.array(found, np.int64).astype(dtype)
        if dtype == np.float16:  # whose bits are written as a number
            numbers = np.array(found, np.int64).astype(np.uint16).view(dtype)
    return numbers.reshape(tensor.get("dims", []))
