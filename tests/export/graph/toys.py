"""Graphs that are small enough to see through."""

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnxscript import ir

from export.graph.converter import infer_shapes
from export.proof.graphs import GraphSpec
from serving.bundle.records import Port

SIZE = 5


def port(name, *axes, dtype="float32"):
    return Port(name=name, dtype=dtype, axes=["batch_size", *axes], meaning=name)


def toy(call, outputs=("image",), sensitivity=("z", "image")):
    """A graph of one input `z` `(B, 5)` and outputs `(B, 5)`, made by `call`."""
    return GraphSpec(
        role="decoder",
        signature="decode",
        call=call,
        inputs=(port("z", SIZE),),
        outputs=tuple(port(name, SIZE) for name in outputs),
        sample=lambda count, seed: {
            "z": np.random.RandomState(seed).standard_normal((count, SIZE)).astype(np.float32)
        },
        sensitivity=sensitivity,
    )


def network(nodes, constants, axes=4, result_axes=4):
    """A graph from `x` (batch, ...) to `y`, of `(operator, inputs, result, attributes)`."""
    graph = helper.make_graph(
        [
            helper.make_node(kind, inputs.split(), [result], **attributes)
            for kind, inputs, result, attributes in nodes
        ],
        "graph",
        [helper.make_tensor_value_info("x", 1, _axes(axes))],
        [helper.make_tensor_value_info("y", 1, _axes(result_axes))],
        [numpy_helper.from_array(_stored(array), name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def _axes(axes):
    """Sizes after the batch, or a number of axes of any size."""
    return ["batch_size", *([None] * (axes - 1) if isinstance(axes, int) else axes)]


def _stored(array):
    return np.asarray(array, np.int64 if np.asarray(array).dtype.kind == "i" else np.float32)


def in_place(change, model):
    """Return what a function that changes a graph in place makes of a copy."""
    graph = ir.serde.deserialize_model(model)
    infer_shapes(graph)
    change(graph)
    changed = ir.serde.serialize_model(graph)
    onnx.checker.check_model(changed, full_check=True)
    return changed


def kinds(model):
    """The operators of a graph, in order."""
    return [node.op_type for node in model.graph.node]
