"""Two transposed convolutions, one on the other, computed where images are small.

A transposed convolution is slow in ONNX Runtime, and so is laying out its phases (`phases.py`)
where there are many channels. But nobody needs the image between two of them. So the phases of the
first are kept apart as so many small images, and what follows pixel by pixel is done to each. Of
the second, each of these first gives its products, one for each tap of the kernel, by a convolution
of 1x1; then all are added up where they belong, by a transposed convolution of ones whose stride is
the product of both strides. No product is added or lost, and most are in operators that ONNX
Runtime has its fastest kernels for, in 8 bits too.
"""

from typing import NamedTuple

import numpy as np
from onnxscript import ir

from export.graph.images.layout import ELEMENTWISE
from export.graph.images.phases import can_be_split, convolve, is_plain, parts, strides_of
from export.graph.surgery import added, constant, copy_of, is_read_once, replace


class _Stack(NamedTuple):
    """Two transposed convolutions, and what lies between: nodes, each with its image's input."""

    first: ir.Node
    between: list[tuple[ir.Node, int]]
    last: ir.Node


def merge_stacked(model: ir.Model) -> None:
    """Rewrite, in place, each pair of transposed convolutions that gains from it.

    The first can be split into phases; between the two lies only what treats all pixels alike; and
    the second has no more taps, for all the channels that leave it, than channels enter it. Then
    its products are fewer than the numbers that they are made of, and cheap to lay out.

    Args:
        model: whose shapes are inferred.
    """
    for node in list(model.graph):
        if (stack := _stack(node)) is not None:
            _merge(stack, model.graph)
    ir.passes.common.RemoveUnusedNodesPass()(model)


def _stack(last: ir.Node) -> _Stack | None:
    """Return the stack that a node ends, or None."""
    if not is_plain(last):
        return None
    entering, leaving, height, width = last.inputs[1].const_value.shape
    if leaving * height * width > entering:
        return None
    between: list[tuple[ir.Node, int]] = []
    value = last.inputs[0]
    while (node := value.producer()) is not None and is_read_once(value):
        if can_be_split(node):
            return _Stack(node, between[::-1], last)
        images = [index for index, each in enumerate(node.inputs) if not _is_of_channels(each)]
        if node.op_type not in ELEMENTWISE or len(images) != 1:
            return None
        between.append((node, images[0]))
        value = node.inputs[images[0]]
    return None


def _is_of_channels(value: ir.Value | None) -> bool:
    """Tell whether a value is the same for all pixels of a channel, as one left out is."""
    if value is None:
        return True
    return value.shape is not None and all(axis == 1 for axis in list(value.shape)[-2:])


def _merge(stack: _Stack, graph: ir.Graph) -> None:
    first, between, last = stack
    name, kernel = last.inputs[1].name, last.inputs[1].const_value.numpy()  # (C, out, H, W)
    taps = kernel.reshape(len(kernel), -1).T[..., None, None]  # (out * H * W, C, 1, 1)
    taps = constant(taps, f"{name}/taps", graph)
    products = []
    for part in parts(first):
        image = convolve(part, first, graph, before=last)
        for node, entrance in between:
            inputs = [*node.inputs]
            inputs[entrance] = image
            image = copy_of(node, inputs, before=last)
        products.append(added("Conv", [image, taps], last))
    together = added("Concat", products, last, axis=1)
    ones = constant(_places(first, last), f"{name}/places", graph)
    strides = [a * b for a, b in zip(strides_of(first), strides_of(last), strict=True)]
    laid = copy_of(
        last, [together, ones, *last.inputs[2:]], strides=strides, kernel_shape=ones.shape[2:]
    )
    replace(last.outputs[0], laid)


def _places(first: ir.Node, last: ir.Node) -> np.ndarray:
    """Return the kernel that adds the product of each phase and tap to the pixel it belongs to.

    Tap k of the pixel in phase a falls on pixel `stride * a + k` of those that one pixel of the
    small image becomes, its neighbours' beginning at the stride of both times their distance.

    Returns:
        Ones and zeros (phases * out * H * W, out, larger H, larger W).
    """
    phases, strides = strides_of(first), strides_of(last)
    _, leaving, height, width = last.inputs[1].const_value.shape
    rows, columns, channels, downs, rights = np.indices((*phases, leaving, height, width))
    larger = ((phases[0] - 1) * strides[0] + height, (phases[1] - 1) * strides[1] + width)
    places = np.zeros((rows.size, leaving, *larger), np.float32)
    down, right = rows * strides[0] + downs, columns * strides[1] + rights
    places[np.arange(rows.size), channels.ravel(), down.ravel(), right.ravel()] = 1
    return places
