"""Matrices stay out of a conversion: it takes them as inputs, and they become constants afterwards.

Each pass over a graph copies its constants: of a Transformer with 540 MB of weights a conversion
took 12.8 GB, and none of more than 2 GiB has room in the messages that are passed on the way.
"""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx import numpy_helper

from export.proof.graphs import APART


def put_back(model: onnx.ModelProto, matrices: Mapping[str, np.ndarray]) -> None:
    """Make constants of those inputs of a graph that stand for matrices, in place.

    What only puts their numbers in another order or shape is done to them here.

    Args:
        model: as it is converted.
        matrices: by the names of the inputs, which begin with `APART`.
    """
    graph = model.graph
    inputs = [each for each in graph.input if not each.name.startswith(APART)]
    del graph.input[:]
    graph.input.extend(inputs)
    known = dict(matrices)
    sizes = {each.name: each for each in graph.initializer}
    nodes = []
    for node in graph.node:  # in an order in which they can run
        turn = _MOVES.get(node.op_type)
        if turn and node.input[0] in known and all(name in sizes for name in node.input[1:]):
            others = [numpy_helper.to_array(sizes[name]) for name in node.input[1:]]
            known[node.output[0]] = turn(node, known[node.input[0]], *others)
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    read = {name for node in nodes for name in node.input}
    for name, matrix in known.items():
        if name in read:
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(matrix), name))


def _transposed(node: onnx.NodeProto, matrix: np.ndarray) -> np.ndarray:
    return np.transpose(matrix, next((list(each.ints) for each in node.attribute), None))


def _reshaped(node: onnx.NodeProto, matrix: np.ndarray, shape: np.ndarray) -> np.ndarray:
    return matrix.reshape(shape)


_MOVES: dict[str, Callable[..., np.ndarray]] = {
    "Identity": lambda node, matrix: matrix,
    "Reshape": _reshaped,
    "Transpose": _transposed,
}
