"""A transposed convolution as ordinary ones: the same numbers, by operators with 8-bit kernels.

Where the stride is s, the output has s x s phases: the pixels whose row is a and whose column is b,
modulo s. Each phase is an ordinary convolution of the input with every s-th tap of the kernel, and
`DepthToSpace` lays the phases side by side. No product is added or lost.

Reference:
    Shi et al. 2016 (arXiv:1609.07009).
"""

from typing import NamedTuple

import numpy as np
import onnx
from onnxscript import ir
from onnxscript.rewriter import rewrite
from onnxscript.rewriter.pattern import RewriteRule


def split_phases(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph whose transposed convolutions, where they can be, are ordinary ones.

    Those that can be have the same stride both ways and give images of exactly that multiple.

    Args:
        model: the graph, which is not changed.
    """
    graph = ir.serde.deserialize_model(model)
    rules = [RewriteRule(pattern, _as_phases, _can_be_split) for pattern in (_plain, _with_bias)]
    split = ir.serde.serialize_model(rewrite(graph, rules))
    del split.graph.value_info[:]  # shapes that any reader can infer
    return split


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


def _plain(op, x, kernel):
    return op.ConvTranspose(x, kernel, _allow_other_attributes=True, _outputs=["result"])


def _with_bias(op, x, kernel, bias):
    return op.ConvTranspose(x, kernel, bias, _allow_other_attributes=True, _outputs=["result"])


def _can_be_split(context, x, kernel, result, bias=None) -> bool:
    attributes = result.producer().attributes
    if kernel.const_value is None or attributes.get_int("group", 1) != 1:
        return False
    if set(attributes.get_ints("dilations", [1])) != {1} or "output_shape" in attributes:
        return False
    if any(attributes.get_ints("output_padding", [0])) or "strides" not in attributes:
        return False
    strides, pads = attributes["strides"].as_ints(), attributes.get_ints("pads", [0] * 4)
    sizes = kernel.const_value.shape[2:]
    whole = all(
        pads[axis] + pads[axis + 2] == sizes[axis] - strides[axis] for axis in range(len(sizes))
    )
    return len(set(strides)) == 1 and len(sizes) == 2 and strides[0] > 1 and whole


def _as_phases(op, x, kernel, result, bias=None):
    attributes = result.producer().attributes
    stride, pads = attributes["strides"].as_ints()[0], attributes.get_ints("pads", [0] * 4)
    weights = kernel.const_value.numpy()  # (in, out, H, W)
    rows, columns = (phases(weights.shape[2 + axis], stride, pads[axis]) for axis in (0, 1))
    parts = []
    for row in rows:
        for column in columns:
            taps = weights[:, :, row.taps][:, :, :, column.taps].transpose(1, 0, 2, 3)
            name = f"{kernel.name}/phase_{len(parts)}"
            parts.append(
                op.Conv(
                    x,
                    op.initializer(ir.tensor(np.ascontiguousarray(taps), name=name)),
                    *([] if bias is None else [bias]),
                    pads=[row.before, column.before, row.after, column.after],
                )
            )
    return op.DepthToSpace(op.Concat(*parts, axis=1), blocksize=stride, mode="DCR")
