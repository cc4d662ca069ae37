"""The shapes of what moves numbers: into another shape, apart, together, and into more room."""

import math

from serving.graphs.shapes import (
    Array,
    Call,
    Shape,
    axes_of,
    axis_of,
    require,
    rule,
)

# --- the same numbers in another shape ---


@rule
def _reshape(call: Call) -> list[Array]:
    array, wanted = call.array(), call.integers(1)
    if not call.attributes.get("allowzero"):
        wanted = [size or array.shape[axis] for axis, size in enumerate(wanted)]
    count = math.prod(array.shape)
    if -1 in wanted:
        others = math.prod(size for size in wanted if size != -1)
        wanted[wanted.index(-1)] = count // others if others else 0
    require(min(wanted, default=0) >= 0 and math.prod(wanted) == count)
    return [Array(tuple(wanted), array.kind)]


@rule
def _flatten(call: Call) -> list[Array]:
    array, axis = call.array(), call.attributes.get("axis", 1)
    shape = array.shape
    require(-len(shape) <= axis <= len(shape))
    axis += len(shape) if axis < 0 else 0
    return [Array((math.prod(shape[:axis]), math.prod(shape[axis:])), array.kind)]


@rule
def _squeeze(call: Call) -> list[Array]:
    array = call.array()
    ones = [axis for axis, size in enumerate(array.shape) if size == 1]
    axes = axes_of(call.integers(1), len(array.shape)) if call.has(1) else ones
    require(set(axes) <= set(ones))
    kept = (size for axis, size in enumerate(array.shape) if axis not in axes)
    return [Array(tuple(kept), array.kind)]


@rule
def _unsqueeze(call: Call) -> list[Array]:
    array, new = call.array(), call.integers(1)
    rank = len(array.shape) + len(new)
    axes, sizes = axes_of(new, rank), iter(array.shape)
    return [Array(tuple(1 if axis in axes else next(sizes) for axis in range(rank)), array.kind)]


@rule
def _transpose(call: Call) -> list[Array]:
    array = call.array()
    order = call.attributes.get("perm", range(len(array.shape))[::-1])
    require(sorted(order) == list(range(len(array.shape))))
    return [Array(tuple(array.shape[axis] for axis in order), array.kind)]


@rule
def _to_space(call: Call) -> list[Array]:
    (batch, channels, height, width), block = call.array().shape, call.attributes["blocksize"]
    require(channels % block**2 == 0)
    shape = (batch, channels // block**2, height * block, width * block)
    return [Array(shape, call.array().kind)]


@rule
def _to_depth(call: Call) -> list[Array]:
    (batch, channels, height, width), block = call.array().shape, call.attributes["blocksize"]
    require(height % block == width % block == 0)
    shape = (batch, channels * block**2, height // block, width // block)
    return [Array(shape, call.array().kind)]


@rule
def _reversed(call: Call) -> list[Array]:
    array, lengths = call.arrays()
    batch, time = call.attributes.get("batch_axis", 1), call.attributes.get("time_axis", 0)
    require(len(array.shape) >= 2 and batch != time)
    require(lengths.shape == (array.shape[batch],))
    return [Array(array.shape, array.kind)]


# --- apart and together ---


@rule
def _concat(call: Call) -> list[Array]:
    arrays = call.arrays()
    shape = arrays[0].shape
    axis = axis_of(call.attributes["axis"], len(shape))
    rest = (shape[:axis], shape[axis + 1 :])
    require(all((each.shape[:axis], each.shape[axis + 1 :]) == rest for each in arrays))
    length = sum(array.shape[axis] for array in arrays)
    return [Array((*rest[0], length, *rest[1]), arrays[0].kind)]


def parts(call: Call) -> tuple[int, list[int]]:
    """Return which axis a `Split` cuts, and how long its parts are."""
    shape, count = call.array().shape, len(call.outputs)
    axis = axis_of(call.attributes.get("axis", 0), len(shape))
    if call.has(1):
        lengths = call.integers(1)
    else:
        length = -(-shape[axis] // count)
        lengths = [length] * (count - 1) + [shape[axis] - length * (count - 1)]
        require(call.attributes.get("num_outputs", count) == count)
    require(len(lengths) == count and sum(lengths) == shape[axis] and min(lengths) >= 0)
    return axis, lengths


@rule
def _split(call: Call) -> list[Array]:
    array, (axis, lengths) = call.array(), parts(call)
    before, after = array.shape[:axis], array.shape[axis + 1 :]
    return [Array((*before, length, *after), array.kind) for length in lengths]


def slices(call: Call) -> tuple[slice, ...]:
    """Return what a `Slice` takes of each axis."""
    rank = len(call.array().shape)
    starts, ends = call.integers(1), call.integers(2)
    axes = axes_of(call.integers(3) if call.has(3) else range(len(starts)), rank)
    steps = call.integers(4) if call.has(4) else [1] * len(starts)
    taken = [slice(None)] * rank
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        taken[axis] = slice(start, end, step)
    return tuple(taken)


@rule
def _slice(call: Call) -> list[Array]:
    array = call.array()
    pairs = zip(slices(call), array.shape, strict=True)
    return [Array(tuple(len(range(*taken.indices(size))) for taken, size in pairs), array.kind)]


@rule
def _gather(call: Call) -> list[Array]:
    array, indices = call.arrays()
    axis = axis_of(call.attributes.get("axis", 0), len(array.shape))
    require(array.shape[axis] > 0)
    return [Array(array.shape[:axis] + indices.shape + array.shape[axis + 1 :], array.kind)]


@rule
def _pick(call: Call) -> list[Array]:
    array, indices = call.arrays()
    axis = axis_of(call.attributes.get("axis", 0), len(array.shape))
    _require_within(indices.shape, array.shape, axis)
    return [Array(indices.shape, array.kind)]


@rule
def _scatter(call: Call) -> list[Array]:
    array, indices, updates = call.arrays()
    axis = axis_of(call.attributes.get("axis", 0), len(array.shape))
    _require_within(indices.shape, array.shape, axis)
    require(indices.shape == updates.shape)
    return [Array(array.shape, array.kind)]


def _require_within(part: Shape, whole: Shape, axis: int) -> None:
    pairs = enumerate(zip(part, whole, strict=True))
    require(all(each == axis or size <= most for each, (size, most) in pairs))


@rule
def _gather_nd(call: Call) -> list[Array]:
    array, indices = call.arrays()
    batch, depth = call.attributes.get("batch_dims", 0), indices.shape[-1]
    require(batch < len(indices.shape) and array.shape[:batch] == indices.shape[:batch])
    require(0 < depth <= len(array.shape) - batch)
    return [Array(indices.shape[:-1] + array.shape[batch + depth :], array.kind)]


@rule
def _scatter_nd(call: Call) -> list[Array]:
    array, indices, updates = call.arrays()
    depth = indices.shape[-1]
    require(0 < depth <= len(array.shape))
    require(updates.shape == indices.shape[:-1] + array.shape[depth:])
    return [Array(array.shape, array.kind)]


# --- more room ---


@rule
def _tile(call: Call) -> list[Array]:
    array, repeats = call.array(), call.integers(1)
    require(min(repeats, default=0) >= 0)
    pairs = zip(array.shape, repeats, strict=True)
    return [Array(tuple(size * times for size, times in pairs), array.kind)]


@rule
def _pad(call: Call) -> list[Array]:
    array, pads = call.array(), call.integers(1)
    shape = list(array.shape)
    axes = axes_of(call.integers(3) if call.has(3) else range(len(shape)), len(shape))
    require(len(pads) == 2 * len(axes) and min(pads, default=0) >= 0)
    require(not call.has(2) or math.prod(call.array(2).shape) == 1)
    for axis, before, after in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        if call.attributes.get("mode", "constant") != "constant":  # what is there, mirrored
            require(max(before, after) < shape[axis])
        shape[axis] += before + after
    return [Array(tuple(shape), array.kind)]


@rule
def _one_hot(call: Call) -> list[Array]:
    indices, _, values = call.arrays()
    (depth,) = call.integers(1)
    shape = list(indices.shape)
    require(depth > 0 and values.shape == (2,))
    shape.insert(axis_of(call.attributes.get("axis", -1), len(shape) + 1), depth)
    return [Array(tuple(shape), values.kind)]
