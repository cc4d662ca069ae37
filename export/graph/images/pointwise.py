"""A PReLU before a convolution of 1x1, in fewer operations for ONNX Runtime.

PReLU(y) is y and what is cut off of it (`slopes.py`). Of y, the convolution makes what a single one
makes of the input of the one before; where that has few channels, it costs next to nothing. So the
sum of y and the rest, as large as all channels of the image, is never written.

Where it has many, y gets as many channels of zeros as make whole blocks: the fast kernel for 1x1
takes nothing else. FSRCNN took 66 ms for a megapixel without the two, and takes 60.
"""

from typing import NamedTuple

import numpy as np
import onnx
from onnxscript import ir

from export.graph.canonical import canonical
from export.graph.surgery import added, constant, copy_of, is_read_once, replace

BLOCK = 16  # channels in a vector of AVX-512; half as many in one of AVX2


class _Chain(NamedTuple):
    """Two convolutions with a PReLU between; `cut` is its convolution, of one weight a channel."""

    first: ir.Node
    cut: ir.Node
    last: ir.Node

    @property
    def channels(self) -> int:
        """Channels of the PReLU."""
        return self.first.inputs[1].const_value.shape[0]


def ease_pointwise(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph that does the same with less for each PReLU between convolutions.

    Args:
        model: of `slopes.convolve_slopes`; it is not changed.
    """
    graph = ir.serde.deserialize_model(model)
    for node in list(graph.graph):
        if (chain := _chain(node)) is not None:
            entering, *taps = chain.first.inputs[1].const_value.shape[1:]
            few = entering * np.prod(taps) <= chain.channels
            (_merge if few else _fill)(chain, graph.graph)
    ir.passes.common.RemoveUnusedNodesPass()(graph)
    return canonical(graph)


def _chain(last: ir.Node) -> _Chain | None:
    """Return the chain that a node ends, or None."""
    total = last.inputs[0].producer() if _is_plain(last) else None
    if total is None or total.op_type != "Add" or not is_read_once(total.outputs[0]):
        return None
    straight, relu = total.inputs[0], total.inputs[1].producer()
    cut = relu.inputs[0].producer() if relu is not None and relu.op_type == "Relu" else None
    first = straight.producer()
    if cut is None or first is None or cut.inputs[0] is not straight or not _is_plain(first):
        return None
    if cut.op_type != "Conv" or len(cut.inputs) != 2 or straight.is_graph_output():
        return None
    channels = first.inputs[1].const_value.shape[0]
    of_channels = cut.attributes.get_int("group", 1) == channels == cut.inputs[1].const_value.size
    one_tap = list(last.inputs[1].const_value.shape[2:]) == [1, 1]
    one_tap &= not any(last.attributes.get_ints("pads", [0]))
    readers = {use.node for use in straight.uses()}
    whole = of_channels and one_tap and readers == {total, cut}
    return _Chain(first, cut, last) if whole else None


def _is_plain(node: ir.Node) -> bool:
    """Tell whether a node is a convolution of all channels by weights and a bias that are known."""
    return (
        node.op_type == "Conv"
        and len(node.inputs) == 3
        and all(each is not None and each.const_value is not None for each in node.inputs[1:])
        and node.attributes.get_int("group", 1) == 1
        and set(node.attributes.get_ints("strides", [1])) == {1}
    )


def _fill(chain: _Chain, graph: ir.Graph) -> None:
    """Add channels of zeros between the two convolutions, where they are no whole blocks."""
    lacking = -chain.channels % BLOCK
    if not lacking:
        return

    def filled(value: ir.Value, axis: int = 0) -> ir.Value:
        array = value.const_value.numpy()
        more = [(0, lacking if each == axis else 0) for each in range(array.ndim)]
        return constant(np.pad(array, more), f"{value.name}/filled", graph)

    first, cut, last = chain
    source, *constants = first.inputs
    y = copy_of(first, [source, *map(filled, constants)], last)
    group = chain.channels + lacking
    below = copy_of(cut, [y, filled(cut.inputs[1])], last, group=group)
    total = added("Add", [y, added("Relu", [below], last)], last)
    inputs = [total, filled(last.inputs[1], axis=1), last.inputs[2]]
    replace(last.outputs[0], copy_of(last, inputs))


def _merge(chain: _Chain, graph: ir.Graph) -> None:
    first, cut, last = chain
    source, weights, bias = first.inputs
    kernel, shift = weights.const_value.numpy(), bias.const_value.numpy()
    scale = cut.inputs[1].const_value.numpy().ravel()  # (C,)
    mixing = last.inputs[1].const_value.numpy()[:, :, 0, 0]  # (O, C)

    def convolved(name: str, kernel: np.ndarray, shift: np.ndarray) -> ir.Value:
        arrays = ((kernel, weights.name), (shift, bias.name))
        constants = [
            constant(array.astype(np.float32), f"{where}/{name}", graph) for array, where in arrays
        ]
        return copy_of(first, [source, *constants], last)

    below = convolved("cut", kernel * scale[:, None, None, None], shift * scale)
    bent = copy_of(last, [added("Relu", [below], last), last.inputs[1]])
    straight = convolved(
        "straight",
        np.einsum("oc,cikl->oikl", mixing, kernel),
        mixing @ shift + last.inputs[2].const_value.numpy(),
    )
    replace(last.outputs[0], added("Add", [bent, straight], last))
