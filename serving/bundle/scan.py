"""The structural check of an ONNX file, made before ONNX Runtime sees a byte of it.

A graph of the zoo is plain data: weights in the file itself, operators of the ONNX standard or of a
short list, inputs and outputs as the manifest says. The table below names every protobuf field such
a graph may have, and the reader refuses the rest. So whatever else the format can express (weights
in other files, sparse tensors, functions, training graphs, what later versions add) is refused
without having to be foreseen.

The field numbers are those of onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from serving.bundle.operators import IMPORTS, OPERATORS, STANDARD
from serving.bundle.records import BundleError, Interface, Port

MAX_DEPTH = 24  # messages within messages; a loop within a loop within a branch needs 14

# Field number -> "name type", with `*` where it may be repeated. `zero` may only hold 0.
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
        4: "s bytes",
        5: "t tensor",
        6: "g graph",
        7: "floats float*",
        8: "ints int*",
        9: "strings bytes*",
        10: "tensors tensor*",
        11: "graphs graph*",
        13: "doc_string text",
        20: "type int",
    },
    "tensor": {
        1: "dims int*",
        2: "data_type int",
        4: "float_data float*",
        5: "int32_data int*",
        6: "string_data bytes*",
        7: "int64_data int*",
        8: "name text",
        9: "raw_data bytes",
        10: "double_data double*",
        11: "uint64_data int*",
        12: "doc_string text",
        14: "data_location zero",  # 1 would be: the weights are in another file
        16: "metadata_props property*",
    },
    "value": {1: "name text", 2: "type type", 3: "doc_string text", 4: "metadata_props property*"},
    "type": {1: "tensor_type tensor_type", 6: "denotation text"},
    "tensor_type": {1: "elem_type int", 2: "shape shape"},
    "shape": {1: "dim dimension*"},
    "dimension": {1: "dim_value int", 2: "dim_param text", 3: "denotation text"},
}


class _Field(NamedTuple):
    name: str
    kind: str
    repeated: bool


_FIELDS = {
    message: {
        number: _Field(*text.rstrip("*").split(), text.endswith("*"))
        for number, text in fields.items()
    }
    for message, fields in _MESSAGES.items()
}
_VARINT, _FIXED64, _SIZED, _FIXED32 = 0, 1, 2, 5
_WIRE_TYPES = {"int": _VARINT, "zero": _VARINT, "float": _FIXED32, "double": _FIXED64}
_WIDTHS = {_FIXED32: 4, _FIXED64: 8}
_WELL_KNOWN = {  # absent from the table on purpose; here for the error message alone
    ("model", 20): "training_info",
    ("model", 25): "functions",
    ("graph", 15): "sparse_initializer",
    ("attribute", 22): "sparse_tensor",
    ("attribute", 23): "sparse_tensors",
    ("tensor", 13): "external_data",
}
_TYPED = ("float_data", "int32_data", "int64_data", "uint64_data", "double_data", "string_data")
# Bits of an element by data type, as raw data; 0 for strings, which are never raw.
_BITS = {1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 8: 0, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64}
_BITS |= {16: 16, 17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4}
_DTYPES = {1: "float32", 2: "uint8", 6: "int32", 7: "int64"}


def check_graph(data: bytes, name: str, interface: Interface, opset: int) -> None:
    """Refuse an ONNX file that is not exactly what its manifest says, or that could do more.

    Args:
        data: the bytes that will be given to ONNX Runtime.
        name: the file's name, for the error.
        interface: the inputs and outputs the graph must have.
        opset: the version of the ONNX operator set it must use.

    Raises:
        BundleError: the bytes are not a well-formed model, hold a field, domain or operator that is
            not allowed, or differ from the manifest in operator set, inputs or outputs.
    """
    try:
        model = _Reader()
        fields = model.read("model", memoryview(data))
        _check_operators(model.nodes)
        _check_opsets(fields.get("opset_import", []), opset)
        graph = fields.get("graph")
        if graph is None:
            raise _RefusedError("it holds no graph")
        _check_ports("input", graph.get("input", []), interface.inputs)
        _check_ports("output", graph.get("output", []), interface.outputs)
    except _RefusedError as refusal:
        raise BundleError(f"{name} is refused: {refusal}") from None


class _RefusedError(Exception):
    """Why a file is refused; `check_graph` adds which file."""


class _Reader:
    """Reads protobuf messages by the table and keeps the nodes of every graph it meets."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []

    def read(self, kind: str, data: memoryview, depth: int = 0) -> dict[str, Any]:
        if depth > MAX_DEPTH:
            raise _RefusedError(f"its messages are nested more than {MAX_DEPTH} deep")
        fields = _FIELDS[kind]
        message: dict[str, Any] = {}
        for number, wire_type, value in _records(data):
            field = fields.get(number)
            if field is None:
                name = _WELL_KNOWN.get((kind, number), "unknown")
                raise _RefusedError(f"a {kind} has field {number} ({name}), which is not allowed")
            values = self._values(kind, field, wire_type, value, depth)
            if field.repeated:
                message.setdefault(field.name, []).extend(values)
            elif field.name in message:  # which one counts would depend on who reads it
                raise _RefusedError(f"{kind} has two values of {field.name}")
            else:
                message[field.name] = values[0]
        if kind == "node":
            self.nodes.append(message)
        elif kind == "tensor":
            _check_size(message)
        return message

    def _values(
        self, kind: str, field: _Field, wire_type: int, value: Any, depth: int
    ) -> Sequence[Any]:
        expected = _WIRE_TYPES.get(field.kind, _SIZED)
        if wire_type != expected:
            if wire_type == _SIZED and field.repeated:
                return _packed(value, expected)
            raise _RefusedError(f"{kind} {field.name} is not written as {field.kind}")
        if field.kind in _FIELDS:
            return [self.read(field.kind, value, depth + 1)]
        if field.kind == "text":
            return [_text(value, f"{kind} {field.name}")]
        if field.kind == "zero" and value != 0:
            raise _RefusedError(
                f"{kind} {field.name} is {value}, so its data would be in another file"
            )
        return [value]


def _records(data: memoryview) -> Iterator[tuple[int, int, Any]]:
    """Yield (field number, wire type, value) of one message; sized values are views, not copies."""
    position, end = 0, len(data)
    while position < end:
        key, position = _varint(data, position)
        number, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, position = _varint(data, position)
        elif wire_type in (_SIZED, _FIXED32, _FIXED64):
            size = _WIDTHS.get(wire_type)
            if size is None:
                size, position = _varint(data, position)
            value = data[position : position + size]
            if len(value) != size:
                raise _RefusedError("it is cut short")
            position += size
        else:
            raise _RefusedError(f"wire type {wire_type} is not allowed; is it an ONNX file?")
        yield number, wire_type, value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    """Return the variable-length integer at `position` and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise _RefusedError("it is cut short")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, position
    raise _RefusedError("an integer in it is longer than ten bytes")


def _packed(data: memoryview, wire_type: int) -> Sequence[Any]:
    """Return numbers that are written one after the other without keys."""
    if wire_type in _WIDTHS:
        if len(data) % _WIDTHS[wire_type]:
            raise _RefusedError("it is cut short")
        return range(len(data) // _WIDTHS[wire_type])  # how many there are is all that is read
    numbers, position = [], 0
    while position < len(data):
        number, position = _varint(data, position)
        numbers.append(number)
    return numbers


def _text(value: memoryview, what: str) -> str:
    try:
        return str(value, "utf-8")
    except UnicodeDecodeError:
        raise _RefusedError(f"{what} is not UTF-8 text") from None


def _check_size(tensor: dict[str, Any]) -> None:
    """Refuse a tensor that has not exactly the data for its shape."""
    kind, name = tensor.get("data_type", 0), tensor.get("name", "")
    bits = _BITS.get(kind)
    if bits is None:
        raise _RefusedError(f"tensor {name} is of type {kind}, which is not allowed")
    elements = math.prod(tensor.get("dims", []))  # a negative one reads as a huge one
    raw, typed = tensor.get("raw_data"), sum(len(tensor.get(field, [])) for field in _TYPED)
    if raw is not None:
        fits = not typed and bits and len(raw) == -(-elements * bits // 8)
    else:
        fits = typed == (-(-elements // 2) if bits == 4 else elements)
    if not fits:
        raise _RefusedError(f"tensor {name} has not the data for {elements} elements")


def _check_operators(nodes: list[dict[str, Any]]) -> None:
    for node in nodes:
        domain, operator = node.get("domain", ""), node.get("op_type", "")
        if operator not in (OPERATORS.get(domain, ()) if domain else STANDARD):
            name = f"{domain}.{operator}" if domain else operator
            raise _RefusedError(f"operator '{name}' is not on the list of allowed ones")


def _check_opsets(opsets: list[dict[str, Any]], expected: int) -> None:
    versions: dict[str, int] = {}
    for opset in opsets:
        domain = opset.get("domain", "")
        if domain not in IMPORTS or domain in versions:
            raise _RefusedError(f"it imports operator domain '{domain}', unknown or twice")
        versions[domain] = opset.get("version", 0)
    if versions.get("") != expected:
        raise _RefusedError(f"it uses opset {versions.get('')}; the manifest says {expected}")


def _check_ports(role: str, values: list[dict[str, Any]], ports: list[Port]) -> None:
    found = {value.get("name", ""): _signature(value) for value in values}
    expected = {port.name: f"{port.dtype} {port.axes}" for port in ports}
    if len(found) != len(values) or found.keys() != expected.keys():
        names = [value.get("name", "") for value in values]
        raise _RefusedError(f"its {role}s are {names}; the manifest says {list(expected)}")
    for name, signature in found.items():
        if signature != expected[name]:
            raise _RefusedError(f"{role} {name} is {signature}; the manifest says {expected[name]}")


def _signature(value: dict[str, Any]) -> str:
    """Return a tensor's type and axes in a manifest's words, such as `float32 ['batch', 2]`."""
    tensor = value.get("type", {}).get("tensor_type", {})
    axes = []
    for dimension in tensor.get("shape", {}).get("dim", []):
        given = [dimension[key] for key in ("dim_value", "dim_param") if key in dimension]
        axes.append(given[0] if len(given) == 1 else None)
    element = tensor.get("elem_type", 0)
    return f"{_DTYPES.get(element, f'type {element}')} {axes}"
