"""What a graph computes from constants alone is computed once, before it is loaded.

ONNX Runtime does so too, but lays what it has computed between what it needs no more, all over the
heap: of 135 million parameters in 4 bits, with their scales and minima in half precision, 50 MB
were left in gaps. Here are the operators by which exporters store constants smaller than they are
used (`export.graph.blocks`), and no others. Numbers are the same to the last bit.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from serving.graphs.protobuf import DTYPES, Message, elements

Arrays: TypeAlias = Mapping[str, np.ndarray]
_FLOAT, _HALF = 1, 10  # as onnx.proto numbers types


def fold(model: Message) -> Message:
    """Return a graph in which no constant of floating point is computed from others.

    Args:
        model: of `serving.graphs.protobuf.read_model`, found to be well-formed by
            `serving.graphs.scan.check_graph`. It is not changed.

    Returns:
        The graph, in which constants that nothing reads any more are left out.
    """
    graph = model["graph"]
    ports = {value["name"] for end in ("input", "output") for value in graph[end]}
    given = graph.get("initializer", [])
    tensors = {tensor["name"]: tensor for tensor in given if tensor["name"] not in ports}
    readers = Counter(name for node in graph["node"] for name in node.get("input", []))
    made: dict[str, np.ndarray] = {}
    nodes = []
    for node in graph["node"]:
        result = None if ports & {*node["output"]} else _computed(node, tensors, made)
        if result is None:
            nodes.append(node)
            continue
        made[node["output"][0]] = result
        for name in node["input"]:
            readers[name] -= 1
            if not readers[name]:  # nothing that is not folded reads it
                made.pop(name, None)
    new = [_tensor(name, array) for name, array in made.items() if readers[name]]
    kept = [each for each in given if readers[each["name"]] or each["name"] in ports]
    return model | {"graph": graph | {"node": nodes, "initializer": [*kept, *new]}}


def _computed(node: Message, tensors: Mapping[str, Message], made: Arrays) -> np.ndarray | None:
    """Return the result of a node that depends on constants alone; None if it is another one."""
    operator = None if node.get("domain") else _FOLDED.get(node["op_type"])
    names = node.get("input", [])
    if operator is None or not all(name in made or name in tensors for name in names):
        return None
    given = [made[name] if name in made else elements(tensors[name]) for name in names]
    attributes = {each["name"]: each for each in node.get("attribute", [])}
    return operator(given, attributes)


def _cast(given: Sequence[np.ndarray], attributes: Mapping[str, Any]) -> np.ndarray | None:
    if given[0].dtype != DTYPES[_HALF] or attributes["to"].get("i") != _FLOAT:
        return None  # whose rounding is another question
    return given[0].astype(DTYPES[_FLOAT])


def _elementwise(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray | None]:
    def compute(given: Sequence[np.ndarray], _: Mapping[str, Any]) -> np.ndarray | None:
        one, other = given
        fits = one.shape == other.shape or other.ndim == 0
        if not fits or any(array.dtype != DTYPES[_FLOAT] for array in given):
            return None  # which may be larger than what it is computed from
        with np.errstate(all="ignore"):
            return np.asarray(function(one, other))

    return compute


def _transposed(given: Sequence[np.ndarray], attributes: Mapping[str, Any]) -> np.ndarray | None:
    if given[0].dtype != DTYPES[_FLOAT]:
        return None
    order = attributes["perm"]["ints"] if "perm" in attributes else None
    return np.ascontiguousarray(given[0].transpose(order))


def _reshaped(given: Sequence[np.ndarray], _: Mapping[str, Any]) -> np.ndarray | None:
    array, shape = given
    if array.dtype != DTYPES[_FLOAT] or shape.ndim != 1 or not shape.all():
        return None  # whose sizes are to be copied from others
    return array.reshape(shape.tolist())


_FOLDED: dict[str, Callable[..., np.ndarray | None]] = {
    "Add": _elementwise(np.add),
    "Cast": _cast,
    "Mul": _elementwise(np.multiply),
    "Reshape": _reshaped,
    "Transpose": _transposed,
}


def _tensor(name: str, array: np.ndarray) -> Message:
    data = np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
    return {"name": name, "data_type": _FLOAT, "dims": list(array.shape), "raw_data": data}
