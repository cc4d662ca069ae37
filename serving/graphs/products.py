"""The shapes, and the work, of what multiplies: matrices, convolutions, windows and attention."""

import math
from collections.abc import Sequence

import numpy as np

from serving.graphs.shapes import (
    FLOAT,
    INT8,
    INT32,
    UINT8,
    Array,
    Call,
    Shape,
    axis_of,
    broadcast_shape,
    require,
    rule,
)

# --- matrices ---


@rule
def _matmul(call: Call) -> list[Array]:
    """Multiply matrices, of whole numbers with up to two zero points."""
    left, right = call.array().shape, call.array(1).shape
    require(bool(left and right))
    for index in range(2, len(call.given)):
        require(not call.has(index) or call.array(index).shape in ((), (1,), right[-1:]))
    rows, columns = left[-2:-1], right[-1:] if len(right) > 1 else ()
    depth = left[-1]
    require(depth == right[-2 if len(right) > 1 else 0])
    batch = broadcast_shape(left[:-2], right[:-2])
    kind = INT32 if call.array().kind in (UINT8, INT8) else call.array().kind
    return [_product((*batch, *rows, *columns), kind, depth)]


def _product(shape: Shape, kind: int, depth: int) -> Array:
    return Array(shape, kind, None, math.prod(shape) * depth)


@rule
def _gemm(call: Call) -> list[Array]:
    turned = (call.attributes.get("transA", 0), call.attributes.get("transB", 0))
    (rows, depth), (other, columns) = (
        call.array(index).shape[:: -1 if turn else 1] for index, turn in enumerate(turned)
    )
    require(depth == other)
    if call.has(2):
        require(broadcast_shape(call.array(2).shape, (rows, columns)) == (rows, columns))
    return [_product((rows, columns), call.array().kind, depth)]


@rule
def _einsum(call: Call) -> list[Array]:
    terms, arrow, result = call.attributes["equation"].replace(" ", "").partition("->")
    arrays, names = call.arrays(), terms.split(",")
    require(bool(arrow) and all(name.isalpha() for name in names))
    sizes: dict[str, int] = {}
    for array, letters in zip(arrays, names, strict=True):
        require(len(set(letters)) == len(letters))
        for letter, length in zip(letters, array.shape, strict=True):
            require(sizes.setdefault(letter, length) == length)
    require(len(set(result)) == len(result))
    shape = tuple(sizes[letter] for letter in result)
    return [Array(shape, arrays[0].kind, None, math.prod(sizes.values()))]


@rule
def _few_bits(call: Call) -> list[Array]:
    """Multiply by a matrix that is held in blocks of few bits."""
    array, held, scales = (call.array(index) for index in range(3))
    kept = call.attributes
    blocks, width = -(-kept["K"] // kept["block_size"]), kept["block_size"] * kept["bits"] // 8
    require(array.shape[-1:] == (kept["K"],) and len(array.shape) >= 2)
    require(held.shape == (kept["N"], blocks, width))
    require(scales.shape in ((kept["N"] * blocks,), (kept["N"], blocks)))
    if call.has(3):  # of which two of 4 bits are in a byte
        points, packed = call.array(3), -(-blocks * kept["bits"] // 8)
        require(
            points.kind == UINT8 and points.shape in ((kept["N"] * packed,), (kept["N"], packed))
        )
    return [_product((*array.shape[:-1], kept["N"]), array.kind, kept["K"])]


@rule
def _rows(call: Call) -> list[Array]:
    """Look up rows of a matrix that is held so: each comes as its blocks."""
    held, ids, scales = (call.array(index) for index in range(3))
    rows, blocks, width = held.shape
    size = call.attributes["block_size"]
    require(held.kind == UINT8 and rows > 0 and width * 8 == size * call.attributes["bits"])
    require(scales.shape == (rows, blocks, 1))
    require(
        not call.has(3)
        or (call.array(3).kind == UINT8 and call.array(3).shape == (rows, blocks, 1))
    )
    return [Array((*ids.shape, blocks, size), scales.kind)]


# --- windows ---


def _windows(call: Call, kernel: Sequence[int]) -> list[tuple[int, int, int]]:
    """Return of each axis of an image the reach of a window, its steps, and all padding."""
    axes = len(call.array().shape) - 2
    require(axes > 0 and len(kernel) == axes)
    require(tuple(call.attributes.get("kernel_shape", kernel)) == tuple(kernel))
    dilations, strides = (call.attributes.get(key, [1] * axes) for key in ("dilations", "strides"))
    pads = call.attributes.get("pads", [0] * 2 * axes)
    require(len(dilations) == len(strides) == axes and len(pads) == 2 * axes)
    require(call.attributes.get("auto_pad", "NOTSET") == "NOTSET" or not any(pads))
    reaches = [1 + step * (size - 1) for size, step in zip(kernel, dilations, strict=True)]
    padding = [before + after for before, after in zip(pads[:axes], pads[axes:], strict=True)]
    return list(zip(reaches, strides, padding, strict=True))


def _smaller(call: Call, kernel: Sequence[int]) -> list[int]:
    """Return the sizes that are left where a window goes over an image."""
    same = call.attributes.get("auto_pad", "NOTSET").startswith("SAME")
    sizes = []
    for size, (reach, stride, pads) in zip(
        call.array().shape[2:], _windows(call, kernel), strict=True
    ):
        require(size > 0 and (same or size + pads >= reach))
        sizes.append(-(-size // stride) if same else (size + pads - reach) // stride + 1)
    return sizes


@rule
def _conv(call: Call) -> list[Array]:
    array, weights = call.array(), call.array(1)
    group, (filters, depth, *kernel) = call.attributes.get("group", 1), weights.shape
    require(len(array.shape) == len(weights.shape) and array.shape[1] == depth * group)
    require(filters % group == 0 and min(weights.shape) > 0)
    whole = array.kind in (UINT8, INT8)  # with zero points in place of a bias
    for index in range(2, len(call.given)):
        fits = ((), (1,), (filters,)) if whole else ((filters,),)
        require(not call.has(index) or call.array(index).shape in fits)
    shape = (array.shape[0], filters, *_smaller(call, kernel))
    return [_product(shape, INT32 if whole else array.kind, depth * math.prod(kernel))]


@rule
def _upconv(call: Call) -> list[Array]:
    array, weights = call.array(), call.array(1)
    group, (depth, filters, *kernel) = call.attributes.get("group", 1), weights.shape
    require(len(array.shape) == len(weights.shape) and array.shape[1] == depth)
    require(depth % group == 0 and min(weights.shape) > 0)
    require(not call.has(2) or call.array(2).shape == (filters * group,))
    windows = _windows(call, kernel)
    more = call.attributes.get("output_padding", [0] * len(kernel))
    require(len(more) == len(kernel))
    wanted = call.attributes.get("output_shape") or [0] * len(kernel)
    same, sizes = call.attributes.get("auto_pad", "NOTSET").startswith("SAME"), []
    for size, (reach, stride, pads), extra, asked in zip(
        array.shape[2:], windows, more, wanted, strict=True
    ):
        natural = stride * (size - 1) + extra + reach
        found = asked or (size * stride if same else natural - pads)
        require(size > 0 and extra < max(stride, reach) and 0 < found <= natural + stride)
        sizes.append(found)
    shape = (array.shape[0], filters * group, *sizes)
    work = math.prod(array.shape) * filters * math.prod(kernel)
    return [Array(shape, array.kind, None, work)]


@rule
def _pool(call: Call) -> list[Array]:
    array, kernel = call.array(), call.attributes["kernel_shape"]
    pads = call.attributes.get("pads", [0] * 2 * len(kernel))
    require(all(pad < size for pad, size in zip(pads, [*kernel, *kernel], strict=True)))
    return [_product((*array.shape[:2], *_smaller(call, kernel)), array.kind, math.prod(kernel))]


@rule
def _whole(call: Call) -> list[Array]:
    array = call.array()
    require(len(array.shape) > 2 and min(array.shape) > 0)
    return [Array((*array.shape[:2], *[1] * (len(array.shape) - 2)), array.kind)]


@rule
def _resize(call: Call) -> list[Array]:
    array = call.array()
    require(not call.has(1) or call.array(1).shape == (0,))  # a region is never given
    if call.has(3):
        require(not call.has(2) or call.array(2).shape == (0,))
        sizes = call.integers(3)
    else:
        scales = call.numbers(2).astype(np.float32)
        pairs = zip(array.shape, scales, strict=True)
        sizes = [math.floor(np.float32(size) * scale) for size, scale in pairs]
        require(bool((scales > 0).all()))
    require(len(sizes) == len(array.shape) and min(*sizes, *array.shape) > 0)
    return [Array(tuple(sizes), array.kind)]


# --- attention and the sum before it ---


@rule
def _attention(call: Call) -> list[Array]:
    """Read on from keys and values: queries, keys and values come packed in the first input, or
    apart. Tables may be narrower than heads, of which the rest is then not turned."""
    query, past_key, past_value = (call.array(index) for index in (0, 3, 4))
    lengths, (total,) = call.array(5), call.integers(6)
    heads, key_heads = call.attributes["num_heads"], call.attributes["kv_num_heads"]
    (batch, length, width), (rows, groups, past, size) = query.shape, past_key.shape
    require(call.has(1) == call.has(2) and past_value.shape == past_key.shape)
    if call.has(1):
        others = (batch, length, key_heads * size)
        require(call.array(1).shape == others and call.array(2).shape == others)
    require(heads % key_heads == 0 and (rows, groups) == (batch, key_heads) and size % 8 == 0)
    packed = 0 if call.has(1) else 2 * key_heads
    require(width == (heads + packed) * size and lengths.shape in ((batch,), (batch, 1)))
    require(length <= total <= past + length)
    if call.attributes.get("do_rotary", 0):
        cosine, sine = call.array(7).shape, call.array(8).shape
        require(cosine == sine and len(cosine) == 2 and cosine[0] >= total)
        require(cosine[1] == size // 2 or (0 < cosine[1] < size // 2 and cosine[1] % 8 == 0))
    else:
        require(len(call.given) == 7)
    present = Array((batch, key_heads, max(past, total), size), past_key.kind)
    result = (batch, length, heads * size)
    return [_product(result, query.kind, 2 * total), present, present]


@rule
def _residual(call: Call) -> list[Array | None]:
    """Add two tensors and normalise the sum, which is the last result; statistics are not read."""
    array, other, *weights = call.arrays()
    require(len(array.shape) == 3 and array.shape == other.shape)
    require(all(each.shape == array.shape[-1:] for each in weights))
    result = Array(array.shape, array.kind)
    return [result, None, None, result][: len(call.outputs)]


# --- whole numbers with a scale ---


@rule
def _quantize(call: Call) -> list[Array]:
    _require_scales(call)
    return [Array(call.array().shape, call.array(2).kind if call.has(2) else UINT8)]


@rule
def _dequantize(call: Call) -> list[Array]:
    _require_scales(call)
    return [Array(call.array().shape, call.array(1).kind)]


def _require_scales(call: Call) -> None:
    """One scale and zero point for all, or one for each along an axis."""
    shape, scale = call.array().shape, call.array(1).shape
    if scale not in ((), (1,)):
        axis = axis_of(call.attributes.get("axis", 1), len(shape))
        require(scale == shape[axis : axis + 1])
    require(not call.has(2) or call.array(2).shape == scale)


@rule
def _rounding(call: Call) -> list[Array]:
    return [Array(call.array().shape, UINT8), Array((), FLOAT), Array((), UINT8)]
