"""A graph as files: one, or two where its constants are too many for one.

A protobuf message ends at 2 GiB. Beyond that, constants lie in a file beside it, one after the
other, each at a multiple of 64 bytes, in the order of the graph.
"""

from pathlib import Path

import onnx
from onnx import TensorProto

from serving.graphs.protobuf import ALIGNMENT

MOST = 2**31 - 2**20  # bytes of constants in the graph's own file
SUFFIX = ".data"
_SMALL = 1024  # bytes of a constant that stays with the graph in any case


def write_graph(model: onnx.ModelProto, path: Path, most: int = MOST) -> Path | None:
    """Write a graph.

    Args:
        model: whose large constants are moved into the other file, if there is one.
        path: of the graph.
        most: bytes of constants that it may hold.

    Returns:
        The file with its constants, `path` with `.data` behind it, or None where there is none.
    """
    large = [each for each in model.graph.initializer if len(each.raw_data) >= _SMALL]
    if sum(len(each.raw_data) for each in large) <= most:
        onnx.save(model, path)
        return None
    other = path.with_name(path.name + SUFFIX)
    with other.open("wb") as file:
        for tensor in large:
            file.write(bytes(-file.tell() % ALIGNMENT))
            _move(tensor, other.name, file.tell(), file.write(tensor.raw_data))
    onnx.save(model, path)
    return other


def _move(tensor: TensorProto, location: str, offset: int, length: int) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        tensor.external_data.add(key=key, value=str(value))
