"""Numbers that follow from constants and sizes: what graphs compute shapes by."""

from collections.abc import Callable, Sequence

import numpy as np

from serving.graphs.moves import parts, slices
from serving.graphs.protobuf import DTYPES, elements
from serving.graphs.shapes import MOST_KNOWN, WHOLE, Array, Call

Values = Sequence[np.ndarray]


def _elementwise(function: Callable[..., np.ndarray]) -> Callable[[Call, Values], np.ndarray]:
    return lambda call, values: function(*values)


def _reduced(function: Callable[..., np.ndarray]) -> Callable[[Call, Values], np.ndarray]:
    def reduce(call: Call, values: Values) -> np.ndarray:
        axes = tuple(call.integers(1)) if call.has(1) else None
        kept = bool(call.attributes.get("keepdims", 1))
        return np.asarray(function(values[0], axis=axes, keepdims=kept))

    return reduce


def _divided(call: Call, values: Values) -> np.ndarray:
    """Whole numbers are divided by positive ones, and rounded towards 0."""
    number, divisor = values
    if call.array().kind not in WHOLE:
        return np.asarray(number / divisor)
    return np.asarray(np.sign(number) * (np.abs(number) // divisor))


_ELEMENTWISE: dict[str, Callable[..., np.ndarray]] = {
    "Abs": np.abs,
    "Add": np.add,
    "And": np.logical_and,
    "Ceil": np.ceil,
    "Equal": np.equal,
    "Floor": np.floor,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Mod": np.mod,
    "Mul": np.multiply,
    "Neg": np.negative,
    "Not": np.logical_not,
    "Or": np.logical_or,
    "Round": np.rint,
    "Sub": np.subtract,
    "Where": np.where,
}
_FOLDED: dict[str, Callable[[Call, Values], np.ndarray]] = {
    **{name: _elementwise(function) for name, function in _ELEMENTWISE.items()},
    "Cast": lambda call, values: values[0].astype(DTYPES[call.attributes["to"]]),
    "Concat": lambda call, values: np.concatenate(values, call.attributes["axis"]),
    "Div": _divided,
    "Gather": lambda call, values: np.take(values[0], values[1], call.attributes.get("axis", 0)),
    "Max": lambda call, values: np.max(np.broadcast_arrays(*values), axis=0),
    "Min": lambda call, values: np.min(np.broadcast_arrays(*values), axis=0),
    "Range": lambda call, values: np.arange(*[value.item() for value in values]),
    "ReduceMax": _reduced(np.max),
    "ReduceMin": _reduced(np.min),
    "ReduceProd": _reduced(np.prod),
    "ReduceSum": _reduced(np.sum),
    "Slice": lambda call, values: values[0][slices(call)],
    "Tile": lambda call, values: np.tile(values[0], values[1]),
    "Transpose": lambda call, values: np.transpose(values[0], call.attributes.get("perm")),
}
_RESHAPED = ("Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze")  # numbers as they were


def with_value(operator: str, call: Call, result: Array, index: int) -> Array:
    """Return what is known of a node's result, with its numbers where they follow and are few.

    Args:
        operator: its name.
        call: the node.
        result: its shape and type.
        index: which of the node's results it is.
    """
    values = [array.value for array in call.given if array is not None]
    known = [value for value in values if value is not None]
    if len(known) < len(values) or not values or max(result.shape, default=0) > MOST_KNOWN:
        return result
    if operator in _RESHAPED:
        value = known[0].reshape(result.shape)
    elif operator in ("Expand", "ConstantOfShape"):
        fill = known[0] if operator == "Expand" else _fill(call)
        value = np.broadcast_to(fill, result.shape)
    elif operator == "Split":
        axis, lengths = parts(call)
        value = np.split(known[0], np.cumsum(lengths)[:-1], axis)[index]
    elif operator in _FOLDED:
        with np.errstate(all="ignore"):
            value = np.asarray(_FOLDED[operator](call, known))
    else:
        return result
    return result._replace(value=value.astype(DTYPES[result.kind]).reshape(result.shape))


def _fill(call: Call) -> np.ndarray:
    value = call.attributes.get("value")
    return np.zeros(()) if value is None else elements(value).reshape(())
