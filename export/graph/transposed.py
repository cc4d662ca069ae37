"""A large matrix that a graph reads both as it is and turned is in its file once.

An embedding that also predicts (Press and Wolf 2017, arXiv:1608.05859) is rows that are looked up,
and turned it is what states are multiplied by. Runtimes turn constants when they load a graph, so
that nothing is slower for it.
"""

import numpy as np
import onnx
from onnxscript import ir

from export.graph.canonical import canonical
from export.graph.surgery import added

LEAST = 2**20  # bytes of a matrix; smaller ones are not worth an operator


def held_once(model: onnx.ModelProto, least: int = LEAST) -> onnx.ModelProto:
    """Return a graph in which of two matrices that are each other's transpose one is computed.

    Args:
        model: whose other forms are made; it is not changed, and returned where it has none.
        least: bytes of a matrix.
    """
    if not _shapes(model, least):
        return model
    graph = ir.serde.deserialize_model(model)
    looked_up = {node.inputs[0] for node in graph.graph if node.op_type == "Gather"}
    constants = [each for each in graph.graph.initializers.values() if _is_large(each, least)]
    for rows in (each for each in constants if each in looked_up):
        for turned in (each for each in constants if each not in looked_up):
            if _are_transposed(rows, turned):
                first = min((use.node for use in turned.uses()), key=list(graph.graph).index)
                turned.replace_all_uses_with(added("Transpose", [rows], first, perm=[1, 0]))
                del graph.graph.initializers[turned.name]
    return canonical(graph)


def _shapes(model: onnx.ModelProto, least: int) -> bool:
    """Say whether any two large matrices have shapes of each other's transpose."""
    large = [each for each in model.graph.initializer if len(each.raw_data) >= least]
    shapes = {(each.data_type, tuple(each.dims)) for each in large if len(each.dims) == 2}
    return any((kind, shape[::-1]) in shapes for kind, shape in shapes)


def _is_large(value: ir.Value, least: int) -> bool:
    tensor = value.const_value
    return tensor is not None and tensor.nbytes >= least and len(tensor.shape) == 2


def _are_transposed(first: ir.Value, second: ir.Value) -> bool:
    one, other = first.const_value, second.const_value
    return one.dtype == other.dtype and np.array_equal(one.numpy(), other.numpy().T)
