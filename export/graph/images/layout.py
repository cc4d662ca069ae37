"""Channels first from the beginning: no transposes are left between layers.

Keras holds images as (B, H, W, C) and ONNX's convolutions take (B, C, H, W), so tf2onnx puts a
Transpose between them. Each rises here, through what treats all numbers alike, to where they come
from: another Transpose that undoes it, or a dense layer, whose weights are put in that order once
and for all. One that lies between the last convolution and a dense layer sinks into the latter in
the same way. What the graph takes and returns keeps its order.
"""

import numpy as np
from onnxscript import ir

from export.graph.surgery import added, constant, copy_of, replace

FIRST, LAST = (0, 3, 1, 2), (0, 2, 3, 1)  # (B, H, W, C) to (B, C, H, W), and back
ELEMENTWISE = {
    *("Add", "Clip", "Div", "Elu", "Erf", "Exp", "LeakyRelu", "Mul", "Neg", "Relu", "Sigmoid"),
    *("Softplus", "Sub", "Tanh"),
}
DENSE = {"Gemm", "MatMul"}
REDUCED = {"ReduceMax", "ReduceMean", "ReduceSum"}


def channels_first(model: ir.Model) -> ir.Model:
    """Return a graph that does the same with fewer transposes, or `model` where there are none.

    Args:
        model: whose shapes are inferred; it is not changed.
    """
    turned = model.clone()
    while any(_raise(node, turned.graph) for node in turned.graph):
        ir.passes.common.RemoveUnusedNodesPass()(turned)
    for node in list(turned.graph):
        if permutation_of(node) == LAST:
            _sink(node, turned.graph)
    ir.passes.common.RemoveUnusedNodesPass()(turned)
    return turned if _transposes(turned) < _transposes(model) else model


def _transposes(model: ir.Model) -> int:
    return sum(node.op_type == "Transpose" for node in model.graph)


def permutation_of(node: ir.Node | None) -> tuple[int, ...] | None:
    """Return the order in which a Transpose takes axes, or None of another node."""
    if node is None or node.op_type != "Transpose" or "perm" not in node.attributes:
        return None
    return tuple(node.attributes["perm"].as_ints())


def _raise(node: ir.Node, graph: ir.Graph) -> bool:
    """Let a node give channels first, where this is all that its results are wanted for."""
    value = node.outputs[0]
    transposes = list(value.consumers())
    if value.is_graph_output() or {permutation_of(each) for each in transposes} != {FIRST}:
        return False
    turned = _given_first(node, graph)
    if turned is None or (turned.producer() is None and _is_returned(transposes)):
        return False
    for transpose in transposes:
        replace(transpose.outputs[0], turned)
    return True


def _given_first(node: ir.Node, graph: ir.Graph) -> ir.Value | None:
    """Return the result of a node with its channels first, or None where it cannot be had."""
    if permutation_of(node) == LAST:
        return node.inputs[0]
    if node.op_type in ELEMENTWISE:
        return _elementwise(node, graph)
    if node.op_type == "Resize":
        return _resize(node, graph)
    return _reshape(node, graph) if node.op_type == "Reshape" else None


def _is_returned(nodes: list[ir.Node]) -> bool:
    return any(node.outputs[0].is_graph_output() for node in nodes)


def _elementwise(node: ir.Node, graph: ir.Graph) -> ir.Value | None:
    sources = [_turned(value, node, graph) for value in node.inputs]
    return copy_of(node, sources) if all(sources) else None


def _turned(value: ir.Value | None, before: ir.Node, graph: ir.Graph) -> ir.Value | None:
    """Return a value with its channels first, or None where its axes are not known."""
    if value is None:
        return None
    if value.const_value is None:
        if value.shape is None or len(value.shape) != 4:
            return None
        _, height, width, channels = value.shape
        if height == width == 1 and isinstance(channels, int):  # nothing changes places
            shape = constant(np.array([-1, channels, 1, 1]), f"{value.name}/shape", graph)
            return added("Reshape", [value, shape], before)
        return added("Transpose", [value], before, perm=FIRST)
    array = value.const_value.numpy()
    if array.size == 1:
        return value
    array = array.reshape((1,) * (4 - array.ndim) + array.shape)  # (1 or B, 1 or H, 1 or W, C)
    return constant(array.transpose(FIRST), f"{value.name}/first", graph)


def _resize(node: ir.Node, graph: ir.Graph) -> ir.Value | None:
    """Let what enlarges images by scales take those of channels first."""
    source, region, scales = node.inputs[:3] if len(node.inputs) == 3 else (None, None, None)
    if region is not None or scales is None or scales.const_value is None:
        return None
    inputs = [_turned(source, node, graph), None]
    ordered = constant(scales.const_value.numpy()[list(FIRST)], f"{scales.name}/first", graph)
    return copy_of(node, [*inputs, ordered]) if inputs[0] else None


def _reshape(node: ir.Node, graph: ir.Graph) -> ir.Value | None:
    """Let a dense layer give numbers in the order of (C, H, W)."""
    shape = _constant_shape(node)
    if len(shape) != 4 or min(shape[1:]) < 1:
        return None
    batch, height, width, channels = shape
    source = _reordered(node.inputs[0], _first_order(height, width, channels), graph)
    if source is None:
        return None
    name = f"{node.inputs[1].name}/first"
    target = constant(np.array([batch, channels, height, width]), name, graph)
    return copy_of(node, [source, target])


def _first_order(height: int, width: int, channels: int) -> np.ndarray:
    """Return where each number of an image flattened as (C, H, W) lies in (H, W, C)."""
    places = np.arange(height * width * channels).reshape(height, width, channels)
    return places.transpose(2, 0, 1).ravel()


def _constant_shape(reshape: ir.Node) -> list[int]:
    shape = reshape.inputs[1].const_value
    return [] if shape is None else shape.numpy().tolist()


def _reordered(value: ir.Value, order: np.ndarray, graph: ir.Graph) -> ir.Value | None:
    """Return a copy of what a dense layer gives (B, N), its columns in another order."""
    node = value.producer()
    if node is None or value.is_graph_output() or len(value.consumers()) != 1:
        return None
    if node.op_type in ELEMENTWISE and len(node.inputs) == 1:
        source = _reordered(node.inputs[0], order, graph)
        return source and copy_of(node, [source])
    constants = node.inputs[1:]
    if node.op_type not in DENSE or any(each.const_value is None for each in constants):
        return None
    shape, axis = constants[0].const_value.shape, _axis(node, "outputs")
    if len(shape) != 2 or shape[axis] != len(order):
        return None
    inputs = [node.inputs[0], _taken(constants[0], order, axis, graph)]
    for bias in constants[1:]:
        of_columns = list(bias.const_value.shape)[-1:] == [len(order)]  # and not one for all
        inputs.append(_taken(bias, order, -1, graph) if of_columns else bias)
    return copy_of(node, inputs)


def _axis(dense: ir.Node, of: str) -> int:
    """Return which axis of a dense layer's weights its inputs or its outputs lie on."""
    turned = bool(dense.attributes.get_int("transB", 0))
    return int(turned) if of == "inputs" else 1 - int(turned)


def _sink(transpose: ir.Node, graph: ir.Graph) -> None:
    """Let dense layers that read an image flattened as (H, W, C) read it as (C, H, W).

    And let what is summed over all places be summed as it lies.
    """
    source, shape = transpose.inputs[0], transpose.inputs[0].shape
    if shape is None or not all(isinstance(axis, int) for axis in shape[1:]):
        return
    order = _first_order(shape[2], shape[3], shape[1])
    for reduced in list(transpose.outputs[0].consumers()):
        if _is_of_places(reduced):
            reduced.replace_input_with(0, source)
            places = constant(np.array([2, 3]), f"{reduced.inputs[1].name}/first", graph)
            reduced.replace_input_with(1, places)
    for reshape in list(transpose.outputs[0].consumers()):
        if reshape.op_type != "Reshape" or _constant_shape(reshape)[1:] != [len(order)]:
            continue
        flat = reshape.outputs[0]
        readers = [] if flat.is_graph_output() else _dense_readers(flat)
        for dense in readers:
            weights = dense.inputs[1]
            rows = np.arange(weights.const_value.shape[_axis(dense, "inputs")])
            rows[: len(order)] = order
            taken = _taken(weights, rows, _axis(dense, "inputs"), graph)
            dense.replace_input_with(1, taken)
        if readers:
            reshape.replace_input_with(0, source)


def _is_of_places(node: ir.Node) -> bool:
    """Say whether a node makes (B, C) of images (B, H, W, C), one number of all places."""
    if node.op_type not in REDUCED or len(node.inputs) != 2 or node.inputs[1] is None:
        return False
    axes = node.inputs[1].const_value
    kept = node.attributes.get_int("keepdims", 1)
    return not kept and axes is not None and sorted(axes.numpy().tolist()) == [1, 2]


def _dense_readers(flat: ir.Value) -> list[ir.Node]:
    """Return the dense layers that alone read a value, be it with more behind it; else none."""
    found = []
    for node in flat.consumers():
        if node.op_type == "Concat" and node.inputs[0] is flat and node.inputs.count(flat) == 1:
            behind = _dense_readers(node.outputs[0])
            if not behind or node.outputs[0].is_graph_output():
                return []
            found += behind
        elif node.op_type in DENSE and node.inputs[0] is flat and _takes_rows(node):
            found.append(node)
        else:
            return []
    return found


def _takes_rows(dense: ir.Node) -> bool:
    weights = dense.inputs[1].const_value
    plain = not dense.attributes.get_int("transA", 0)
    return plain and weights is not None and len(weights.shape) == 2


def _taken(value: ir.Value, order: np.ndarray, axis: int, graph: ir.Graph) -> ir.Value:
    """Return a constant with the slices along an axis in another order."""
    array = np.take(value.const_value.numpy(), order, axis)
    return constant(array, f"{value.name}/reordered", graph)
