"""One way to write a graph: the same graph gives the same bytes, however it was made.

Converters leave nodes in the order of their addresses and name them by counters of the process.
Here nodes stand in the order in which the outputs need them, and a name says which layer it is of,
which operator, and which of those alike: `block_0/attention/MatMul_1`. Constants are called after
the input that first takes them: `block_0/attention/merge/MatMul.weight`. What the graph takes and
returns keeps its name.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import takewhile

import onnx
from onnxscript import ir

PRODUCER = "genzoo"
# Of the inputs that the standard calls by letters, and of operators that are not of the standard.
_INPUTS = {
    "Conv": ("x", "weight", "bias"),
    "ConvTranspose": ("x", "weight", "bias"),
    "GatherBlockQuantized": ("data", "indices", "scale", "zero_point"),
    "Gemm": ("a", "weight", "bias"),
    "MatMul": ("a", "weight"),
    "MatMulNBits": ("a", "weight", "scale", "zero_point"),
    "SkipLayerNormalization": ("input", "skip", "scale", "bias"),
    "SkipSimplifiedLayerNormalization": ("input", "skip", "scale"),
}
_COUNTED = re.compile(r"(.+?)((?:_\d+)*)")  # a name, and the counters behind it

_Path = tuple[str, ...]  # layers, the outermost first


def canonical(model: ir.Model) -> onnx.ModelProto:
    """Return a graph as it is stored; nothing is left of how it was made but the names of layers.

    Args:
        model: a graph that is done; it is changed.
    """
    ir.passes.common.RemoveUnusedNodesPass()(model)
    ir.passes.common.ClearMetadataAndDocStringPass()(model)
    ir.passes.common.RemoveUnusedOpsetsPass()(model)
    put_in_order(model)
    nodes = list(ir.traversal.RecursiveGraphIterator(model.graph))
    _name_nodes(nodes, {port.name for port in (*model.graph.inputs, *model.graph.outputs)})
    for node in nodes:
        _settle(node, model.graph.outputs)
    for graph in model.graphs():
        _name_constants(graph)
    model.metadata_props.clear()
    versions = sorted(model.opset_imports.items())
    model.opset_imports.clear()
    model.opset_imports.update(versions)
    model.producer_name, model.producer_version = PRODUCER, None
    return ir.serde.serialize_model(model)


def put_in_order(model: ir.Model) -> None:
    """Put nodes, in place, in the order in which the outputs need them, whatever it was before."""
    for graph in model.graphs():
        graph.extend(_needed(graph))


def _needed(graph: ir.Graph) -> Iterable[ir.Node]:
    """Return the nodes depth first: each behind those whose results it reads."""
    found: dict[ir.Node, None] = {}
    left = [value.producer() for value in reversed(graph.outputs)]
    while left:
        node = left[-1]
        if node is None or node in found:
            left.pop()
            continue
        sources = [value.producer() for value in _read_by(node) if value is not None]
        before = [each for each in sources if each and each.graph is graph and each not in found]
        if before:
            left.extend(reversed(before))
        else:
            found[left.pop()] = None
    return found


def _read_by(node: ir.Node) -> Iterator[ir.Value | None]:
    """Yield what a node reads, by its inputs and within its branches and loops."""
    yield from node.inputs
    for graph in _graphs_of(node):
        for inner in graph:
            yield from _read_by(inner)
        yield from graph.outputs


def _graphs_of(node: ir.Node) -> Iterator[ir.Graph]:
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            yield attribute.as_graph()
        elif attribute.type == ir.AttributeType.GRAPHS:
            yield from attribute.as_graphs()


# --- names ---


def _name_nodes(nodes: list[ir.Node], taken: set[str | None]) -> None:
    """Name nodes after layer and operator; where there are several such, they are counted."""
    paths = _paths(nodes)
    alike: dict[str, list[ir.Node]] = defaultdict(list)
    for node in nodes:
        alike["/".join([*paths[node], node.op_type])].append(node)
    for name, group in alike.items():
        for count, node in enumerate(group):
            node.name = name if len(group) == 1 and name not in taken else f"{name}_{count}"


def _paths(nodes: list[ir.Node]) -> dict[ir.Node, _Path]:
    """Return the layer of each node; where no name tells, the innermost of all that read it."""
    paths: dict[ir.Node, _Path] = {}
    for node in reversed(nodes):
        names = [node.name, *(value.name for value in node.outputs)]
        told = next((name for name in names if name and "/" in name), None)
        readers = [paths[use.node] for value in node.outputs for use in value.uses()]
        paths[node] = _layers(told) if told else _common(readers)
    recounted = _recounted(paths.values())
    return {node: recounted[path] for node, path in paths.items()}


def _layers(name: str) -> _Path:
    """Return the layers that a name begins with, without the operators of TensorFlow.

    Example:
        >>> _layers("gpt_1/block_0_1/attention_1/merge_1/Tensordot/MatMul")
        ('gpt_1', 'block_0_1', 'attention_1', 'merge_1')
    """
    return tuple(part for part in name.split("/")[:-1] if part == part.lower())


def _common(paths: Iterable[_Path]) -> _Path:
    """Return what all of several paths begin with."""
    levels = zip(*paths, strict=False)
    return tuple(level[0] for level in takewhile(lambda level: len(set(level)) == 1, levels))


def _recounted(paths: Iterable[_Path]) -> dict[_Path, _Path]:
    """Return for each path the same with counters from 0 on, and none where there is one alike.

    What counters begin with depends on what else was made in the process, but their order does not.

    Example:
        >>> found = _recounted([("gpt_2", "block_7_1"), ("gpt_2", "block_10_1")])
        >>> found["gpt_2", "block_10_1"]
        ('gpt', 'block_1')
    """
    paths = set(paths)
    counters: dict[tuple[_Path, str], set[tuple[int, ...]]] = defaultdict(set)
    for path in paths:
        for depth, part in enumerate(path):
            word, counter = _split(part)
            counters[path[:depth], word].add(counter)

    @cache
    def recounted(path: _Path) -> _Path:
        if not path:
            return ()
        word, counter = _split(path[-1])
        known = sorted(counters[path[:-1], word])
        count = f"_{known.index(counter)}" if len(known) > 1 else ""
        return (*recounted(path[:-1]), word + count)

    return {path: recounted(path) for path in paths}


def _split(part: str) -> tuple[str, tuple[int, ...]]:
    """Return a name and its counters.

    Example:
        >>> _split("block_3_1")
        ('block', (3, 1))
    """
    word, counters = _COUNTED.fullmatch(part).groups()
    return word, tuple(map(int, counters.split("_")[1:]))


def _settle(node: ir.Node, returned: Sequence[ir.Value]) -> None:
    """Put a node's attributes in order, and name its results and what its branches take.

    Args:
        node: whose name is known.
        returned: by the whole graph, whose names stay, as that of a result that is left out does.
    """
    for index, value in enumerate(node.outputs):
        if value.name and value not in returned:
            value.name = f"{node.name}:{index}" if index else node.name
        if not value.is_graph_output():
            _forget(value)
    attributes = sorted(node.attributes.items())
    node.attributes.clear()
    for name, attribute in attributes:
        if attribute.type == ir.AttributeType.TENSOR:
            attribute = ir.AttrTensor(name, _plain(attribute.as_tensor()))
        node.attributes[name] = attribute
    for count, graph in enumerate(_graphs_of(node)):
        graph.name = f"{node.name}.{count}"
        for index, value in enumerate(graph.inputs):
            value.name = f"{graph.name}.{index}"


def _name_constants(graph: ir.Graph) -> None:
    """Name constants after what first takes them.

    They are listed from the last to the first name, as converters do. What stands in for an input
    that may be left out is called as the input is.
    """
    constants = list(graph.initializers.values())
    ports = [value for value in constants if value.is_graph_output() or value.is_graph_input()]
    named: dict[ir.Value, str | None] = {value: value.name for value in ports}
    for node in ir.traversal.RecursiveGraphIterator(graph):
        for index, value in enumerate(node.inputs):
            if value is not None and value.is_initializer() and value.graph is graph:
                named.setdefault(value, f"{node.name}.{_input_name(node, index)}")
    graph.initializers.clear()
    for value, name in sorted(named.items(), key=lambda pair: pair[1], reverse=True):
        value.const_value = _plain(value.const_value)  # first: the name is also that of the tensor
        value.name = name
        if not value.is_graph_input():
            _forget(value)
        graph.register_initializer(value)


def _input_name(node: ir.Node, index: int) -> str:
    """Return what an input is called, or its number where it has no name of its own."""
    if node.op_type in _INPUTS:
        names = _INPUTS[node.op_type]
    elif node.domain == "" and onnx.defs.has(node.op_type):
        names = [each.name.lower() for each in onnx.defs.get_schema(node.op_type).inputs]
    else:
        names = ()
    return names[index] if index < len(names) else str(index)


def _forget(value: ir.Value) -> None:
    """Leave out what can be inferred of a value, and what is told of where it comes from."""
    value.shape = value.type = None
    value.metadata_props.clear()


def _plain(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    """Return a tensor whose numbers are stored in one way of several.

    They are copied when they are stored, one tensor after the other, and not held.
    """
    if tensor.dtype == ir.DataType.STRING:
        return tensor
    return ir.LazyTensor(
        lambda: ir.Tensor(tensor.numpy(), dtype=tensor.dtype),
        dtype=tensor.dtype,
        shape=ir.Shape(tensor.shape),
    )
