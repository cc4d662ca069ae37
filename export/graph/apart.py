"""Matrices stay out of a conversion: it takes them as inputs, and they become constants afterwards.

Each pass over a graph copies its constants: of a Transformer with 540 MB of weights a conversion
took 12.8 GB, and none of more than 2 GiB has room in the messages that are passed on the way.
"""

from collections.abc import Callable, Mapping

import numpy as np
from onnxscript import ir

from export.graph.surgery import constant
from export.proof.graphs import APART


def put_back(graph: ir.Graph, matrices: Mapping[str, np.ndarray]) -> None:
    """Make constants of those inputs of a graph that stand for matrices, in place.

    What only puts their numbers in another order or shape is done to them here; otherwise they are
    not copied.

    Args:
        graph: as it is converted.
        matrices: by the names of the inputs, which begin with `APART`.
    """
    inputs = [value for value in graph.inputs if (value.name or "").startswith(APART)]
    known = {value: matrices[value.name] for value in inputs}
    moved = []
    for node in graph:  # in an order in which they can run
        move, others = _MOVES.get(node.op_type), [value.const_value for value in node.inputs[1:]]
        if move and node.inputs[0] in known and all(each is not None for each in others):
            sizes = [each.numpy() for each in others]
            known[node.outputs[0]] = move(node, known[node.inputs[0]], *sizes)
            moved.append(node)
    for value, matrix in known.items():
        readers = [use for use in value.uses() if use.node not in moved]
        if readers:
            held = constant(matrix, f"{value.name}_held", graph)
            for node, index in readers:
                node.replace_input_with(index, held)
    graph.remove(moved, safe=True)
    for value in inputs:
        graph.inputs.remove(value)


def _transposed(node: ir.Node, matrix: np.ndarray) -> np.ndarray:
    order = node.attributes.get("perm")
    return np.transpose(matrix, None if order is None else order.as_ints())


def _reshaped(node: ir.Node, matrix: np.ndarray, shape: np.ndarray) -> np.ndarray:
    return matrix.reshape(shape)


_MOVES: dict[str, Callable[..., np.ndarray]] = {
    "Identity": lambda node, matrix: matrix,
    "Reshape": _reshaped,
    "Transpose": _transposed,
}
