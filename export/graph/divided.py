"""A graph as files: one, or two where its constants are too many for one.

A protobuf message ends at 2 GiB. Beyond that, constants lie in a file beside it, one after the
other, each at a multiple of 64 bytes, in the order of the graph.
"""

from pathlib import Path
from typing import BinaryIO

import onnx
from google.protobuf.message import Message
from onnx import TensorProto

from serving.graphs.protobuf import ALIGNMENT

MOST = 2**31 - 2**20  # bytes of constants in the graph's own file
SUFFIX = ".data"
_SMALL = 1024  # bytes of a constant that stays with the graph in any case


def write_graph(model: onnx.ModelProto, path: Path, most: int = MOST) -> Path | None:
    """Write a graph.

    Args:
        model: the graph, which is as before in the end.
        path: of the graph.
        most: bytes of constants that it may hold.

    Returns:
        The file with its constants, `path` with `.data` behind it, or None where there is none.
    """
    large = [each for each in model.graph.initializer if len(each.raw_data) >= _SMALL]
    if sum(len(each.raw_data) for each in large) <= most:
        _save(model, path)
        return None
    other = path.with_name(path.name + SUFFIX)
    with other.open("wb") as file:
        for tensor in large:
            file.write(bytes(-file.tell() % ALIGNMENT))
            _move(tensor, other.name, file.tell(), file.write(tensor.raw_data))
    _save(model, path)
    with other.open("rb") as file:
        for tensor in large:
            _move_back(tensor, file)
    return other


def _save(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph as `onnx.save` does, to the last byte, but a constant at a time.

    Protobuf serialises into a buffer that doubles, which is copied in the end: four times the file.
    """
    begin, end = _around(model, "graph")
    before, after = _around(model.graph, "initializer")
    constants = [each.ByteSize() for each in model.graph.initializer]
    size = len(before) + len(after) + sum(len(_head(5, each)) + each for each in constants)
    with path.open("wb") as file:
        file.write(begin + _head(7, size) + before)
        for tensor, count in zip(model.graph.initializer, constants, strict=True):
            file.write(_head(5, count))
            file.write(tensor.SerializeToString())
        file.write(after + end)


def _around(message: Message, name: str) -> tuple[bytes, bytes]:
    """Return what a message says before and after a field, in the order of their numbers."""
    parts = type(message)(), type(message)()
    left_out = message.DESCRIPTOR.fields_by_name[name].number
    for field, value in message.ListFields():
        part = parts[field.number > left_out]
        if field.number == left_out:
            continue
        if hasattr(value, "extend"):
            getattr(part, field.name).extend(value)
        elif isinstance(value, Message):
            getattr(part, field.name).CopyFrom(value)
        else:
            setattr(part, field.name, value)
    return parts[0].SerializeToString(), parts[1].SerializeToString()


def _head(field: int, size: int) -> bytes:
    """Return what comes before so many bytes of a field: its number, and how many they are."""
    written = bytearray([field << 3 | 2])
    while size >= 0x80:
        written.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*written, size])


def _move(tensor: TensorProto, location: str, offset: int, length: int) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))


def _move_back(tensor: TensorProto, file: BinaryIO) -> None:
    told = {each.key: each.value for each in tensor.external_data}
    file.seek(int(told["offset"]))
    tensor.ClearField("external_data")
    tensor.ClearField("data_location")
    tensor.raw_data = file.read(int(told["length"]))
