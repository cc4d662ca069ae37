"""Where an image is already black or white, 8 bits need not tell by how much.

The last convolution of a generator gives numbers of any size, which a sigmoid or a tangent brings
into a narrow range. A few that are far out would stretch the 256 levels of the convolution's result
over where nothing changes any more, and leave few for the greys between.
"""

import math

import numpy as np
from onnxscript import ir

from export.surgery import added, constant, is_read_once

# Beyond these the image is within half a level of 255 from its end.
LIMITS = {"Sigmoid": math.log(2 * 255 - 1), "Tanh": math.log(2 * 255 - 1) / 2}
_MOVING = {"Concat", "DepthToSpace", "Reshape", "Transpose"}


def clip_saturated(model: ir.Model) -> None:
    """Clip, in place, what a convolution gives where nothing but a sigmoid or a tangent reads it.

    A quantizer makes the limits part of the range of 8 bits, and leaves the operator out.

    Args:
        model: a graph.
    """
    graph = model.graph
    for node in list(graph):
        if (limit := LIMITS.get(node.op_type)) is None:
            continue
        for value in _convolved(node.inputs[0]):
            ends = (constant(np.float32(end), "limit", graph) for end in (-limit, limit))
            ((reader, index),) = value.uses()
            reader.replace_input_with(index, added("Clip", [value, *ends], reader))


def _convolved(value: ir.Value) -> list[ir.Value]:
    """Return the results of convolutions that a value is put together from."""
    node = value.producer()
    if node is None or not is_read_once(value):
        return []
    if node.op_type == "Conv":
        return [value]
    sources = node.inputs if node.op_type == "Concat" else node.inputs[:1]
    moved = sources if node.op_type in _MOVING else []
    return [result for source in moved for result in _convolved(source)]
