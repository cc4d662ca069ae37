"""The shape of what an operator gives, from the shapes of what it is given.

A rule takes what is known of a node's inputs, and its attributes, and returns what is known of its
results. Numbers that say a size (the shape of a `Reshape`, the ends of a `Slice`) must be constants
or follow from the sizes of inputs, and inputs that do not fit together are refused. What moves
numbers is in `serving.graphs.moves`, what multiplies them in `serving.graphs.products`.

Reference:
    https://onnx.ai/onnx/operators
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

from serving.bundle.refusal import RefusedError
from serving.graphs.protobuf import DTYPES, Message, elements

FLOAT, UINT8, INT8, INT32, INT64, BOOL = 1, 2, 3, 6, 7, 9
WHOLE = (UINT8, INT8, INT32, INT64)
MOST_KNOWN = 64  # numbers that are followed; shapes have fewer

Shape = tuple[int, ...]


class Array(NamedTuple):
    """What is known of a tensor.

    `kind` is its type as onnx.proto numbers it, `value` its numbers where they follow from
    constants and sizes alone, and `products` how many multiplications made it.
    """

    shape: Shape
    kind: int
    value: np.ndarray | None = None
    products: int = 0


class Call(NamedTuple):
    """A node as a rule sees it.

    `given` has None where an optional input is left out, `outputs` the names of the results.
    """

    given: Sequence[Array | None]
    attributes: Mapping[str, Any]
    outputs: Sequence[str]

    def has(self, index: int) -> bool:
        """Tell whether an optional input is there."""
        return index < len(self.given) and self.given[index] is not None

    def array(self, index: int = 0) -> Array:
        """Return an input that must be there."""
        array = self.given[index] if index < len(self.given) else None
        if array is None:
            raise RefusedError(f"it has no input {index}")
        return array

    def arrays(self) -> list[Array]:
        """Return all inputs, none of which may be left out."""
        return [self.array(index) for index in range(len(self.given))]

    def numbers(self, index: int) -> np.ndarray:
        """Return an input that says a size."""
        value = self.array(index).value
        if value is None:
            raise RefusedError(f"its input {index} does not follow from the sizes of the inputs")
        return value

    def integers(self, index: int) -> list[int]:
        """Return an input that says sizes, a list or one."""
        found = self.numbers(index)
        require(found.ndim <= 1)
        return [int(number) for number in found.ravel()]


Rule = Callable[[Call], Sequence[Array | None]]  # None for a result that may not be read
RULES: dict[str, Rule] = {}
AnyRule = TypeVar("AnyRule", bound=Rule)


def rule(function: AnyRule) -> AnyRule:
    """Make a function the rule of its name; see `serving.graphs.operators`."""
    RULES[function.__name__.removeprefix("_")] = function
    return function


def require(fits: bool) -> None:
    """Refuse inputs or attributes that do not fit together."""
    if not fits:
        raise RefusedError("its inputs and attributes do not fit together")


def known(tensor: Message) -> Array:
    """Return what is known of a tensor in the file; its numbers are followed only where small."""
    shape = tuple(tensor.get("dims", ()))
    small = len(shape) <= 2 and math.prod(shape) <= MOST_KNOWN and "external_data" not in tensor
    return Array(shape, tensor["data_type"], elements(tensor) if small else None)


def broadcast_shape(*shapes: Shape) -> Shape:
    """Return the shape that others are broadcast to, as in NumPy.

    Example:
        >>> broadcast_shape((3, 1), (4,))
        (3, 4)
    """
    whole = max(shapes, key=len)
    for shape in shapes:
        if shape and shape != whole:
            at = len(whole) - len(shape)
            pairs = list(zip(whole[at:], shape, strict=True))
            require(all(a == b or 1 in (a, b) for a, b in pairs))
            whole = whole[:at] + tuple([b if a == 1 else a for a, b in pairs])
    return whole


def axis_of(axis: int, rank: int) -> int:
    """Return an axis counted from the first."""
    require(-rank <= axis < rank)
    return axis % rank


def axes_of(axes: Sequence[int], rank: int) -> list[int]:
    """Return axes counted from the first, each once."""
    found = [axis_of(axis, rank) for axis in axes]
    require(len(set(found)) == len(found))
    return found


# --- as many numbers ---


@rule
def _same(call: Call) -> list[Array]:
    array = call.array()
    if "axis" in call.attributes:
        axis_of(call.attributes["axis"], len(array.shape))
    return [Array(array.shape, array.kind)]


@rule
def _test(call: Call) -> list[Array]:
    return [Array(call.array().shape, BOOL)]


@rule
def _cast(call: Call) -> list[Array]:
    return [Array(call.array().shape, call.attributes["to"])]


@rule
def _limited(call: Call) -> list[Array]:
    require(all(limit is None or limit.shape == () for limit in call.given[1:]))
    return _same(call)


@rule
def _along(call: Call) -> list[Array]:
    (axis,) = call.integers(1)
    axis_of(axis, len(call.array().shape))
    return _same(call)


@rule
def _triangle(call: Call) -> list[Array]:
    require(len(call.array().shape) >= 2)
    require(not call.has(1) or abs(call.numbers(1).item()) < 2**31)
    return _same(call)


@rule
def _channels(call: Call) -> list[Array]:
    """Normalise each channel by numbers of its own."""
    array, *weights = call.arrays()
    require(len(array.shape) >= 2 and all(each.shape == array.shape[1:2] for each in weights))
    return _same(call)


@rule
def _trailing(call: Call) -> list[Array]:
    """Normalise over the last axes, by numbers of their shape."""
    array, *weights = call.arrays()
    axis = axis_of(call.attributes.get("axis", -1), len(array.shape))
    require(all(each.shape == array.shape[axis:] for each in weights))
    return [Array(array.shape, array.kind)]


# --- broadcast to one shape ---


@rule
def _broadcast(call: Call) -> list[Array]:
    arrays = call.arrays()
    return [Array(broadcast_shape(*[array.shape for array in arrays]), arrays[0].kind)]


@rule
def _divide(call: Call) -> list[Array]:
    """Whole numbers are divided by constants only: by zero would end the process."""
    if call.array().kind in WHOLE:
        require(bool((call.numbers(1) > 0).all()))
    return _broadcast(call)


@rule
def _compare(call: Call) -> list[Array]:
    return [Array(_broadcast(call)[0].shape, BOOL)]


@rule
def _where(call: Call) -> list[Array]:
    return [Array(_broadcast(call)[0].shape, call.array(1).kind)]


@rule
def _expand(call: Call) -> list[Array]:
    wanted = tuple(call.integers(1))
    require(min(wanted, default=0) >= 0)
    return [Array(broadcast_shape(call.array().shape, wanted), call.array().kind)]


# --- fewer numbers ---


@rule
def _reduce(call: Call) -> list[Array]:
    array = call.array()
    rank = len(array.shape)
    axes = axes_of(call.integers(1), rank) if call.has(1) else []
    if not axes and call.attributes.get("noop_with_empty_axes"):
        return _same(call)
    return [_reduced(call, axes or list(range(rank)), array.kind)]


@rule
def _arg(call: Call) -> list[Array]:
    axis = axis_of(call.attributes.get("axis", 0), len(call.array().shape))
    return [_reduced(call, [axis], INT64)]


def _reduced(call: Call, axes: Sequence[int], kind: int) -> Array:
    shape, kept = call.array().shape, call.attributes.get("keepdims", 1)
    require(all(shape[axis] for axis in axes))  # of nothing there is no mean
    sizes = ((1 if axis in axes else size) for axis, size in enumerate(shape))
    return Array(tuple(n for axis, n in enumerate(sizes) if kept or axis not in axes), kind)


@rule
def _top_k(call: Call) -> list[Array]:
    array, (count,) = call.array(), call.integers(1)
    shape = list(array.shape)
    axis = axis_of(call.attributes.get("axis", -1), len(shape))
    require(0 < count <= shape[axis])
    shape[axis] = count
    return [Array(tuple(shape), array.kind), Array(tuple(shape), INT64)]


# --- sizes and constants ---


@rule
def _constant(call: Call) -> list[Array]:
    ((name, value),) = call.attributes.items()
    if name == "value":
        return [known(value)]
    kind = FLOAT if "float" in name else INT64
    array = np.array(value, DTYPES[kind])
    return [Array(array.shape, kind, array)]


@rule
def _shape(call: Call) -> list[Array]:
    sizes = call.array().shape[call.attributes.get("start", 0) : call.attributes.get("end")]
    return [Array((len(sizes),), INT64, np.array(sizes, np.int64))]


@rule
def _size(call: Call) -> list[Array]:
    return [Array((), INT64, np.array(math.prod(call.array().shape), np.int64))]


@rule
def _filled(call: Call) -> list[Array]:
    sizes, value = tuple(call.integers(0)), call.attributes.get("value")
    require(min(sizes, default=0) >= 0)
    require(value is None or math.prod(value.get("dims", ())) == 1)
    return [Array(sizes, FLOAT if value is None else value["data_type"])]


@rule
def _range(call: Call) -> list[Array]:
    start, limit, delta = (call.numbers(index).item() for index in range(3))
    require(delta != 0 and all(map(math.isfinite, (start, limit, delta))))
    return [Array((max(0, math.ceil((limit - start) / delta)),), call.array().kind)]


RULES["logical"] = _compare
