"""What a graph may cost: the shapes of all its tensors, worked out before it is run.

The shapes are computed for a few uses of the graph, from the least to the most that is asked of it
at once, where each axis of its inputs has a number. A graph is refused where a shape does not
follow, where its results are not of the shape that the manifest says, or where it takes too much
memory or work.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from serving.bundle.adaptable import MOST_RANK, RANK
from serving.bundle.records import Interface, Port
from serving.bundle.refusal import RefusedError, shown
from serving.graphs import moves, products  # noqa: F401  (they add their rules)
from serving.graphs.operators import Operator
from serving.graphs.protobuf import DTYPES, LARGEST_SIZE, MOST_AXES
from serving.graphs.shapes import RULES, Array, Call, Rule
from serving.graphs.values import with_value

LIMIT = 2 * 2**30  # bytes of one tensor, and of all that are held at once but inputs and outputs
ROOM = 64  # of images as much may be held as so many times what goes in and out, if that is more
WORK = 2**42  # multiplications at one use
PRODUCTS_PER_BYTE = 16  # that a processor does while it writes a byte
IMAGES, TEXTS = 64, 16  # at once
SIDES = {"height": 32, "width": 32}  # least of images of any size, which may be mirrored at edges
READ, KEPT = 2048, 8192  # tokens: most that are read at once, and that a cache holds, here
KINDS = {"float32": 1, "uint8": 2, "int32": 6, "int64": 7}  # types of ports, as onnx.proto says

# What a rule raises where it meets inputs that it does not expect.
_UNFIT = (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError)


class Node(NamedTuple):
    """One operator of a graph, whose attributes are as the table of operators says."""

    operator: Operator
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Mapping[str, Any]


class Graph(NamedTuple):
    """Nodes in an order in which they can run, constants, and types and axes that are declared."""

    nodes: Sequence[Node]
    constants: Mapping[str, Array]
    declared: Mapping[str, tuple[int, Sequence[str | int | None]]]


class Use(NamedTuple):
    """A size for each axis with a name, and how many bytes may be held."""

    sizes: Mapping[str, int]
    limit: int


def check_sizes(graph: Graph, interface: Interface, window: int) -> None:
    """Refuse a graph that costs too much, or gives something else than it declares.

    Args:
        graph: its operators have been checked.
        interface: of the manifest, what the graph takes and returns.
        window: most tokens that a model of text sees at once.

    Raises:
        RefusedError: naming the operator.
    """
    steps = _steps(graph, interface)
    for use in uses(interface, window):
        _Run(graph, interface, use).check(steps)


class _Step(NamedTuple):
    """A node with what holds of it at every use.

    `constant` tells whether it follows from constants: then it is computed when the graph is
    loaded, and stays. `kept` are results that are counted, `released` those that nobody reads
    after it.
    """

    node: Node
    rule: Rule
    constant: bool
    kept: frozenset[str]
    released: Sequence[str]


def _steps(graph: Graph, interface: Interface) -> list[_Step]:
    last = {name: at for at, node in enumerate(graph.nodes) for name in node.inputs}
    constants, steps = set(graph.constants), []
    uncounted = {port.name for port in (*interface.inputs, *interface.outputs)} | {""}
    for at, node in enumerate(graph.nodes):
        read = set(node.inputs) - {""}
        constant = read <= constants
        if constant:
            constants.update(node.outputs)
        released = [name for name in read - constants - uncounted if last[name] == at]
        kept = frozenset(node.outputs) - uncounted
        steps.append(_Step(node, RULES[node.operator.rule], constant, kept, released))
    return steps


def uses(interface: Interface, window: int) -> list[Use]:
    """Return what is asked of a graph: the least, and the most of each kind.

    Example:
        >>> port = Port(name="z", dtype="float32", axes=["batch", 2], meaning="")
        >>> [dict(use.sizes) for use in uses(Interface(inputs=[port], outputs=[]), window=8)]
        [{'batch': 1}, {'batch': 64}]
    """
    ports = [*interface.inputs, *interface.outputs]
    names = {axis for port in interface.inputs for axis in port.axes if isinstance(axis, str)}
    if any("sequence" in name for name in names):
        read, kept = min(window, READ), min(window, KEPT)
        few = min(8, kept)
        asked = [(1, 1, 0), (1, read, 0), (TEXTS, few, kept - few)]
        return [Use({name: _size(name, *each) for name in names}, LIMIT) for each in asked]
    sizes = [{name: SIDES.get(name, 1) for name in names}, dict.fromkeys(names, IMAGES)]
    passing = [sum(_bytes(_of_port(port, each)) for port in ports) for each in sizes]
    limits = [max(LIMIT, ROOM * each) for each in passing]
    return list(map(Use, sizes, limits))


def _size(name: str, batch: int, length: int, past: int) -> int:
    """Return the size of an axis of a model of text, by its name."""
    if name == RANK:
        return MOST_RANK if length > 1 else 1
    if "encoder" in name:  # of a source, of which all is kept as soon as anything is
        return 0 if "past" in name and not past else past + length
    if "past" in name:
        return past
    if "total" in name:
        return past + length
    return length if "sequence" in name else batch


def _of_port(port: Port, sizes: Mapping[str, int]) -> Array:
    """Return a port as it is at a use; an axis whose name no input has counts for 1."""
    shape = tuple(sizes.get(axis, 1) if isinstance(axis, str) else axis for axis in port.axes)
    return Array(shape, KINDS[port.dtype])


def _bytes(array: Array) -> int:
    return math.prod(array.shape) * DTYPES[array.kind].itemsize


class _Run:
    """One use of a graph, of which nothing is known but shapes."""

    def __init__(self, graph: Graph, interface: Interface, use: Use) -> None:
        self._declared, self._outputs, self._use = graph.declared, interface.outputs, use
        self._known = {port.name: _of_port(port, use.sizes) for port in interface.inputs}
        for array in self._known.values():
            self._require_size(array)
        self._known |= graph.constants
        self._held, self._work = 0, 0

    def check(self, steps: Sequence[_Step]) -> None:
        for step in steps:
            try:
                self._take(step)
            except (RefusedError, *_UNFIT) as error:
                reason = error if isinstance(error, RefusedError) else "its inputs do not fit"
                node = step.node
                place = f"operator {node.operator.name} that gives {shown(node.outputs[0])}"
                raise RefusedError(f"{place}: {reason}") from None
        for port in self._outputs:
            self._require_declared(port.name, KINDS[port.dtype], port.axes)

    def _take(self, step: _Step) -> None:
        """Take up the results of a node, and let go of what nobody reads any more."""
        node, known = step.node, self._known
        given = [known[name] if name else None for name in node.inputs]
        call = Call(given, node.attributes, node.outputs)
        results = step.rule(call)
        for index, (name, result) in enumerate(zip(node.outputs, results, strict=True)):
            if result is None or not name:
                continue
            size = self._require_size(result)
            known[name] = with_value(node.operator.name, call, result, index)
            if name in self._declared:
                self._require_declared(name, *self._declared[name])
            if name in step.kept:
                self._held += size
            self._work += result.products + PRODUCTS_PER_BYTE * size
        if self._held > self._use.limit:
            raise RefusedError(f"by then more than {self._use.limit} bytes would be held")
        if self._work > WORK:
            raise RefusedError("by then it would have taken too many multiplications")
        for name in step.released:
            if name in known:
                self._held -= _bytes(known[name])

    def _require_size(self, array: Array) -> int:
        size = _bytes(array)
        if len(array.shape) > MOST_AXES or max(array.shape, default=0) > LARGEST_SIZE:
            raise RefusedError("a shape is too long, or an axis too large")
        if size > LIMIT:
            raise RefusedError(
                f"a tensor {list(array.shape)} would have {size} bytes, over {LIMIT}"
            )
        return size

    def _require_declared(self, name: str, kind: int, axes: Sequence[str | int | None]) -> None:
        """Compare with axes that are declared; names that no input has are not known."""
        found = self._known[name]
        sizes = [self._use.sizes.get(axis) if isinstance(axis, str) else axis for axis in axes]
        fits = len(found.shape) == len(sizes) and all(
            wanted in (None, size) for size, wanted in zip(found.shape, sizes, strict=True)
        )
        if found.kind != kind or not fits:
            raise RefusedError(
                f"{shown(name)} would be {list(found.shape)} of type {found.kind}, "
                f"and is declared as {sizes} of type {kind}"
            )
