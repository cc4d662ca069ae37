"""Where an image is already black or white, 8 bits need not tell by how much.

The last convolution of a generator gives numbers of any size, which a sigmoid or a tangent brings
into a narrow range. A few that are far out would stretch the 256 levels of the convolution's result
over where nothing changes any more, and leave few for the greys between.
"""

import math

import numpy as np
from onnxscript import ir

from export.graph.surgery import added, constant, is_read_once

# Beyond these the image is within half a level of 255 from its end.
LIMITS = {"Sigmoid": math.log(2 * 255 - 1), "Tanh": math.log(2 * 255 - 1) / 2}


def clip_saturated(model: ir.Model) -> None:
    """Clip, in place, what a convolution gives where nothing but a sigmoid or a tangent reads it.

    A quantizer makes the limits part of the range of 8 bits, and leaves the operator out.

    Args:
        model: a graph.
    """
    for node in list(model.graph):
        limit, value = LIMITS.get(node.op_type), node.inputs[0]
        if limit is None or not _is_convolved(value):
            continue
        ends = (constant(np.float32(end), "limit", model.graph) for end in (-limit, limit))
        node.replace_input_with(0, added("Clip", [value, *ends], node))


def _is_convolved(value: ir.Value) -> bool:
    node = value.producer()
    return node is not None and node.op_type == "Conv" and is_read_once(value)
