"""How nodes and constants are put into a graph."""

import numpy as np
from onnxscript import ir


def added(kind: str, inputs: list[ir.Value], before: ir.Node, **attributes: object) -> ir.Value:
    """Put an operator of one result before a node, and return the result."""
    node = ir.node(kind, inputs, attributes)
    before.prepend(node)
    return node.outputs[0]


def copy_of(
    node: ir.Node, inputs: list[ir.Value], before: ir.Node | None = None, **attributes: object
) -> ir.Value:
    """Do the same with other inputs and attributes, before a node, or before the one copied."""
    own = {name: each.value for name, each in node.attributes.items()}
    return added(node.op_type, inputs, before or node, **own | attributes)


def constant(array: np.ndarray, name: str, graph: ir.Graph) -> ir.Value:
    """Return an array as a constant of a graph, under this name or one like it that is free."""
    free, count = name, 0
    while free in graph.initializers:
        count += 1
        free = f"{name}_{count}"
    tensor = ir.tensor(np.asarray(array, order="C"), name=free)
    value = ir.Value(
        name=free, const_value=tensor, shape=tensor.shape, type=ir.TensorType(tensor.dtype)
    )
    graph.register_initializer(value)
    return value


def is_read_once(value: ir.Value) -> bool:
    """Tell whether a value has one reader, and is not what the graph returns."""
    return len(list(value.uses())) == 1 and not value.is_graph_output()


def replace(value: ir.Value, by: ir.Value) -> None:
    """Let all that reads a value read another one, whose shape is the same.

    What the graph returns keeps its name.
    """
    if value.is_graph_output():
        by.name, value.name = value.name, None
    if by.producer() is not None:  # what the graph takes says so itself
        by.shape, by.type = value.shape, value.type
    value.replace_all_uses_with(by, replace_graph_outputs=True)
