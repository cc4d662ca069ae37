"""A transposed convolution as ordinary ones: the same numbers, by operators with 8-bit kernels.

Where the stride is s, the output has s x s phases: the pixels whose row is a and whose column is b,
modulo s. Each phase is an ordinary convolution of the input with every s-th tap of the kernel, and
`DepthToSpace` lays the phases side by side. No product is added or lost.

Reference:
    Shi et al. 2016 (arXiv:1609.07009).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from onnxscript import ir

from export.graph.surgery import added, constant, replace

# Kernels compute so many channels at once, be they wanted or not. Four phases of the one channel of
# MNIST took 1.0 ms in 8 bits and the transposed convolution 0.2 ms in float32.
LEAST_CHANNELS = 8


def split_phases(model: ir.Model) -> None:
    """Split, in place, each transposed convolution that can be into ordinary ones.

    One that few channels leave, such as the last, has little to compute and stays.

    Args:
        model: a graph.
    """
    for node in list(model.graph):
        if can_be_split(node) and node.inputs[1].const_value.shape[1] >= LEAST_CHANNELS:
            _split(node, model.graph)
    ir.passes.common.RemoveUnusedNodesPass()(model)


def _split(node: ir.Node, graph: ir.Graph) -> None:
    images = [convolve(part, node, graph) for part in parts(node)]
    together = added("Concat", images, node, axis=1)
    laid = added("DepthToSpace", [together], node, blocksize=strides_of(node)[0], mode="DCR")
    replace(node.outputs[0], laid)


class _Phase(NamedTuple):
    """Along one axis: which taps of the kernel make a phase, and the padding on both sides."""

    taps: list[int]
    before: int
    after: int


def phases(size: int, stride: int, pad: int) -> list[_Phase]:
    """Return the phases of a kernel of `size` taps along one axis.

    Output `stride * i + a` is the sum over m of tap `first + stride * m` times input `i + ahead -
    m`. Turned round, as a convolution takes it, the last of these taps comes first.

    Example:
        >>> phases(size=4, stride=2, pad=1)
        [_Phase(taps=[3, 1], before=1, after=0), _Phase(taps=[2, 0], before=0, after=1)]
    """
    found = []
    for offset in range(stride):
        ahead, first = divmod(offset + pad, stride)
        taps = list(range(first, size, stride))[::-1]
        found.append(_Phase(taps, len(taps) - 1 - ahead, ahead))
    return found


def is_plain(node: ir.Node) -> bool:
    """Tell whether a node is a transposed convolution of images by a constant kernel.

    Its taps lie side by side, and all input channels count for all output channels.
    """
    if node.op_type != "ConvTranspose" or node.inputs[1].const_value is None:
        return False
    attributes = node.attributes
    if attributes.get_int("group", 1) != 1 or set(attributes.get_ints("dilations", [1])) != {1}:
        return False
    if "output_shape" in attributes or attributes.get_string("auto_pad", "NOTSET") != "NOTSET":
        return False
    return len(node.inputs[1].const_value.shape) == 4 and "strides" in attributes


def can_be_split(node: ir.Node) -> bool:
    """Tell whether a node can be split into phases and gains from it.

    It is a plain transposed convolution with the same stride both ways, its images are exactly that
    multiple of what it takes, and it does not only put numbers in their place, by ones.
    """
    if not is_plain(node) or any(node.attributes.get_ints("output_padding", [0])):
        return False
    strides, pads = strides_of(node), pads_of(node)
    kernel = node.inputs[1].const_value.numpy()
    whole = all(
        pads[axis] + pads[axis + 2] == kernel.shape[2 + axis] - strides[axis] for axis in (0, 1)
    )
    return strides[0] == strides[1] > 1 and whole and not np.isin(kernel, (0, 1)).all()


def strides_of(node: ir.Node) -> list[int]:
    """Return the strides down and across."""
    return list(node.attributes["strides"].as_ints())


def pads_of(node: ir.Node) -> list[int]:
    """Return what is cut off at the top, on the left, at the bottom and on the right."""
    return list(node.attributes.get_ints("pads", [0] * 4))


class Part(NamedTuple):
    """The convolution that gives a phase: its kernel (out, in, H, W) and its padding."""

    kernel: np.ndarray
    pads: list[int]


def parts(node: ir.Node) -> Iterator[Part]:
    """Yield the convolutions that a transposed one is, for its phases row by row."""
    kernel, pads, (stride, _) = node.inputs[1].const_value.numpy(), pads_of(node), strides_of(node)
    rows, columns = (phases(kernel.shape[2 + axis], stride, pads[axis]) for axis in (0, 1))
    for row in rows:
        for column in columns:
            taps = kernel[:, :, row.taps][:, :, :, column.taps].transpose(1, 0, 2, 3)
            yield Part(taps, [row.before, column.before, row.after, column.after])


def convolve(part: Part, node: ir.Node, graph: ir.Graph, before: ir.Node | None = None) -> ir.Value:
    """Return a phase (B, out, H, W) of a transposed convolution, which it adds to the graph."""
    source, weights, *bias = node.inputs
    kernel = constant(part.kernel, f"{weights.name}/phase", graph)
    return added("Conv", [source, kernel, *bias], before or node, pads=part.pads)
