"""Scales and shifts, which batch normalisation leaves, become part of the weights before them."""

import math
from typing import NamedTuple

import numpy as np
from onnxscript import ir
from onnxscript.rewriter.pattern import RewriteRule, RewriteRuleSet

from export.graph.surgery import added, constant, copy_of, is_read_once, replace

# Which axis of the weights is of what leaves the layer.
_OUTPUT_AXIS = {"Conv": 0, "ConvTranspose": 1, "Gemm": 1, "MatMul": 1}


def fold(model: ir.Model) -> None:
    """Fold scales and shifts of channels into convolutions and dense layers, in place.

    Args:
        model: whose images have their channels first, (B, C, H, W), or else what lies flat,
            (B, C), is folded alone; with its shapes.
    """
    _AS_SIGMOID.apply_to_model(model)
    for node in list(model.graph):  # in their order: a shift finds the scale before it folded
        if node.op_type in ("Add", "Mul"):
            image, factor = node.inputs
            if not _fold(node, image, factor, model.graph):
                _fold(node, factor, image, model.graph)
    ir.passes.common.RemoveUnusedNodesPass()(model)


class _Layer(NamedTuple):
    """What gives an image or a flat (B, C), and the channels and pixels of that."""

    node: ir.Node
    channels: int
    pixels: int  # that have a weight of their own; 1 of a convolution, and of what is flat
    flat: bool


def _fold(node: ir.Node, image: ir.Value, factor: ir.Value, graph: ir.Graph) -> bool:
    """Fold what `node` does to an image into the layer that gives it, and tell whether it could."""
    layer = _layer_of(image)
    if layer is None or not _is_of_channels(factor, layer):
        return False
    factors = np.broadcast_to(factor.const_value.numpy().ravel(), layer.channels)
    factors = np.repeat(factors, layer.pixels)  # one for each number of an image, or channel
    source, weights, *biases = layer.node.inputs
    if node.op_type == "Mul":
        weights = _scaled(weights, factors, _OUTPUT_AXIS[layer.node.op_type], graph)
        biases = [_scaled(bias, factors, 0, graph) for bias in biases]
    else:
        bias = factors + sum(each.const_value.numpy() for each in biases)
        biases = [constant(bias, f"{weights.name}/bias", graph)]
    inputs = [source, weights, *biases]
    if layer.node.op_type == "MatMul" and biases:
        folded = added("Gemm", inputs, layer.node)
    else:
        folded = copy_of(layer.node, inputs)
    replace(layer.node.outputs[0], folded)
    replace(node.outputs[0], folded if image is layer.node.outputs[0] else image)
    graph.remove([node, layer.node], safe=True)  # they would count as readers
    return True


def _layer_of(image: ir.Value) -> _Layer | None:
    """Return what gives an image and nothing else, where its weights are constants."""
    node, shape = image.producer(), None
    if node is not None and node.op_type == "Reshape" and is_read_once(image):
        shape = node.inputs[1].const_value
        image, node = node.inputs[0], node.inputs[0].producer()
    if node is None or node.op_type not in _OUTPUT_AXIS or not is_read_once(image):
        return None
    if any(each.const_value is None for each in node.inputs[1:]):
        return None
    leaving = node.inputs[1].const_value.shape[_OUTPUT_AXIS[node.op_type]]
    if node.op_type.startswith("Conv"):
        plain = shape is None and node.attributes.get_int("group", 1) == 1
        return _Layer(node, leaving, 1, flat=False) if plain else None
    if node.attributes:
        return None
    if shape is None:
        lies_flat = image.shape is not None and len(image.shape) == 2
        return _Layer(node, leaving, 1, flat=True) if lies_flat else None
    sizes = shape.numpy().tolist()
    if len(sizes) != 4 or math.prod(sizes[1:]) != leaving:
        return None
    return _Layer(node, sizes[1], sizes[2] * sizes[3], flat=False)


def _is_of_channels(factor: ir.Value, layer: _Layer) -> bool:
    """Tell whether there is one value for each channel of what a layer gives, or one for all."""
    if factor.const_value is None:
        return False
    shape, places = list(factor.const_value.shape), [] if layer.flat else [1, 1]
    one = math.prod(shape) == 1 and len(shape) <= 2 + len(places)
    return one or shape in ([1, layer.channels, *places], [layer.channels, *places])


def _scaled(weights: ir.Value, factors: np.ndarray, axis: int, graph: ir.Graph) -> ir.Value:
    array = weights.const_value.numpy()
    axes = [1] * array.ndim
    axes[axis] = -1
    return constant(array * factors.reshape(axes), f"{weights.name}/scaled", graph)


def _half_tangent(op, x, one, half):
    return op.Mul(op.Add(op.Tanh(x), one), half)


def _are_one_and_half(context, x, one, half) -> bool:
    return all(
        value.const_value is not None and (value.const_value.numpy() == number).all()
        for value, number in ((one, 1.0), (half, 0.5))
    )


def _sigmoid(op, x, one, half):
    """Write (tanh(x) + 1) / 2 as the sigmoid of 2x, whose scale can be folded further."""
    return op.Sigmoid(op.Mul(x, op.initializer(ir.tensor(np.float32(2), name=f"{half.name}/two"))))


_AS_SIGMOID = RewriteRuleSet(
    [RewriteRule(_half_tangent, _sigmoid, _are_one_and_half)], commute=True
)
