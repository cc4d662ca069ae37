"""The structural check of an ONNX file, made before ONNX Runtime sees a byte of it.

A graph of the zoo is plain data: weights in the file itself, operators of a short list, inputs and
outputs as the manifest says. What it may be written with is in `serving.graphs.protobuf`, what it
may compute in `serving.graphs.operators`, and what that may cost in `serving.graphs.sizes`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from serving.bundle.records import BundleError, Interface, Port
from serving.bundle.refusal import RefusedError, plain, shown
from serving.graphs.operators import DOMAIN, OPERATORS, OPSETS, STANDARD, Operator
from serving.graphs.protobuf import (
    DTYPES,
    Bytes,
    Message,
    WeightsFile,
    elements,
    read_model,
    start_of,
)
from serving.graphs.shapes import Array, known
from serving.graphs.sizes import KINDS, Graph, Node, check_sizes

IR_VERSIONS = range(7, 14)  # of the format; before, constants were inputs too
IMPORTS = {"": OPSETS, DOMAIN: range(1, 2)}  # domains of operators and their versions
WINDOW = 8  # tokens; short enough for any model of text
_FIELDS = ("f", "i", "s", "t", "floats", "ints")  # of an attribute, one of which has its value
_DTYPES = {number: dtype for dtype, number in KINDS.items()}


class Outside(NamedTuple):
    """A constant in another file: its name, type and shape, and where it begins."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    start: int


def _outside(tensor: Message, weights: WeightsFile) -> Outside:
    start = start_of(tensor, weights)
    assert start is not None  # it was checked when it was read
    shape = tuple(tensor.get("dims", ()))
    return Outside(tensor.get("name", ""), DTYPES[tensor["data_type"]], shape, start)


def check_graph(
    data: Bytes,
    name: str,
    interface: Interface,
    opset: int,
    window: int | None = None,
    adapters: Sequence[Port] = (),
    weights: WeightsFile | None = None,
) -> list[Outside]:
    """Refuse an ONNX file that is not exactly what its manifest says, or that could do more.

    Args:
        data: the bytes that will be given to ONNX Runtime.
        name: the file's name, for the error.
        interface: the inputs and outputs the graph must have.
        opset: the version of the ONNX operator set it must use.
        window: most tokens that a model of text sees at once.
        adapters: inputs beside those, which may be left out: zeros of rank 1 stand in for them.
        weights: the file beside it that constants may be in, if the manifest names one.

    Returns:
        The constants in that file.

    Raises:
        BundleError: the bytes are not a well-formed model; hold a field, domain, operator or
            attribute that is not allowed; differ from the manifest in operator set, inputs or
            outputs; or ask for too much memory or work.
    """
    try:
        model = read_model(data, weights)
        _check_versions(model, opset)
        graph = model.get("graph")
        if graph is None:
            raise RefusedError("it holds no graph")
        interface = Interface(inputs=[*interface.inputs, *adapters], outputs=interface.outputs)
        _check_ports("input", graph.get("input", []), interface.inputs)
        _check_ports("output", graph.get("output", []), interface.outputs)
        nodes = [_node(node) for node in graph.get("node", [])]
        constants = _constants(graph, adapters)
        _check_order(nodes, constants, interface)
        _check_lengths(nodes, constants, interface)
        declared = {value.get("name", ""): _type(value) for value in graph.get("value_info", [])}
        check_sizes(Graph(nodes, constants, declared), interface, window or WINDOW)
        return [
            _outside(each, weights)
            for each in graph.get("initializer", [])
            if weights and "external_data" in each
        ]
    except RefusedError as refusal:
        raise BundleError(f"{name} is refused: {refusal}") from None


def _check_versions(model: Message, expected: int) -> None:
    if model.get("ir_version") not in IR_VERSIONS:
        raise RefusedError(f"it is of IR version {model.get('ir_version')}, which is not known")
    versions: dict[str, int] = {}
    for opset in model.get("opset_import", []):
        domain = opset.get("domain", "")
        if domain not in IMPORTS or domain in versions:
            raise RefusedError(f"it imports operator domain {shown(domain)}, unknown or twice")
        versions[domain] = opset.get("version", 0)
    if versions.get("") != expected:
        raise RefusedError(f"it uses opset {versions.get('')}; the manifest says {expected}")
    for domain, version in versions.items():
        if version not in IMPORTS[domain]:
            raise RefusedError(f"version {version} of operators {shown(domain)} is not known")


# --- nodes ---


def _node(node: Message) -> Node:
    """Return a node that is as the table of operators says."""
    domain, name = node.get("domain", ""), node.get("op_type", "")
    operator = (OPERATORS.get(domain, {}) if domain else STANDARD).get(name)
    if operator is None:
        full = shown(f"{domain}.{name}" if domain else name)
        raise RefusedError(f"operator {full} is not on the list of allowed ones")
    inputs, outputs = node.get("input", []), node.get("output", [])
    for what, names, numbers in (
        ("inputs", inputs, operator.inputs),
        ("outputs", outputs, operator.outputs),
    ):
        if len(names) not in numbers or (names and not names[0]):
            raise RefusedError(f"operator {name} has {len(names)} {what}, which is not allowed")
    return Node(operator, inputs, outputs, _attributes(operator, node.get("attribute", [])))


def _attributes(operator: Operator, attributes: Sequence[Message]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in attributes:
        name = attribute.get("name", "")
        allowed = operator.attributes.get(name)
        if allowed is None or name in found:
            raise RefusedError(f"operator {operator.name} has attribute {shown(name)}, not allowed")
        values = [attribute[field] for field in _FIELDS if field in attribute]
        whole = attribute.get("type") == allowed.type and len(values) < 2
        # What is empty is not written.
        value = attribute.get(allowed.field, [] if allowed.field.endswith("s") else None)
        if not whole or value is None or not allowed.fits(value):
            raise RefusedError(f"attribute {name} of operator {operator.name} has a wrong value")
        found[name] = value
    return found


def _constants(graph: Message, adapters: Sequence[Port]) -> dict[str, Array]:
    """Return what does not change; what stands in for an adapter is an input, and none of these."""
    tensors = {tensor.get("name", ""): tensor for tensor in graph.get("initializer", [])}
    if len(tensors) != len(graph.get("initializer", [])):
        raise RefusedError("it has two constants of one name")
    for port in adapters:
        tensor = tensors.pop(port.name, None)
        shape = [1 if isinstance(axis, str) else axis for axis in port.axes]
        found = tensor and (tensor.get("data_type"), tensor.get("dims"))
        here = tensor and "external_data" not in tensor
        if not here or found != (KINDS[port.dtype], shape) or elements(tensor).any():
            raise RefusedError(f"{shown(port.name)} is not zero where no adapter is given")
    return {name: known(tensor) for name, tensor in tensors.items()}


def _check_order(nodes: Sequence[Node], constants: dict[str, Array], interface: Interface) -> None:
    """Refuse a graph where not every tensor is made once, before it is read."""
    made = set(constants)
    for port in interface.inputs:
        _make(made, port.name)
    for node in nodes:
        for name in node.inputs:
            if name and name not in made:
                raise RefusedError(f"operator {node.operator.name} reads {shown(name)} too early")
        for name in node.outputs:
            if name:
                _make(made, name)
    for port in interface.outputs:
        if port.name not in made or port.name in constants:
            raise RefusedError(f"output {shown(port.name)} is computed by no operator")


def _make(made: set[str], name: str) -> None:
    if name in made:
        raise RefusedError(f"{shown(name)} is made twice")
    made.add(name)


def _check_lengths(
    nodes: Sequence[Node], constants: dict[str, Array], interface: Interface
) -> None:
    """Let attention count what was read by the mask alone, since it writes where the count says."""
    makers = {name: node for node in nodes for name in node.outputs}
    inputs = {port.name for port in interface.inputs}
    for node in nodes:
        if node.operator.rule != "attention":
            continue
        value, less = node.inputs[5], None
        path: list[str] = []
        while value in makers and len(path) < 3:
            maker = makers[value]
            path.append(maker.operator.name)
            less = constants.get(maker.inputs[1]) if path == ["Sub"] else less
            value = maker.inputs[0]
        one = less is not None and less.value is not None and (less.value == 1).all()
        if path != ["Sub", "ReduceSum", "Cast"] or not one or value not in inputs:
            raise RefusedError(f"{node.operator.name} takes lengths that are not those of a mask")


# --- what goes in and out ---


def _check_ports(role: str, values: list[Message], ports: list[Port]) -> None:
    found = {value.get("name", ""): _signature(value) for value in values}
    expected = {port.name: f"{port.dtype} {port.axes}" for port in ports}
    if len(found) != len(values) or found.keys() != expected.keys():
        names = plain(", ".join(value.get("name", "") for value in values))
        raise RefusedError(
            f"its {role}s are {names}; the manifest says {plain(', '.join(expected))}"
        )
    for name, signature in found.items():
        if signature != expected[name]:
            raise RefusedError(
                f"{role} {plain(name)} is {plain(signature)}; "
                f"the manifest says {plain(expected[name])}"
            )


def _signature(value: Message) -> str:
    """Return a tensor's type and axes in a manifest's words, such as `float32 ['batch', 2]`."""
    kind, axes = _type(value)
    return f"{_DTYPES.get(kind, f'type {kind}')} {axes}"


def _type(value: Message) -> tuple[int, list[str | int | None]]:
    """Return the type of a tensor and its axes, None where one is not known."""
    tensor = value.get("type", {}).get("tensor_type", {})
    axes = []
    for dimension in tensor.get("shape", {}).get("dim", []):
        given = [dimension[key] for key in ("dim_value", "dim_param") if key in dimension]
        axes.append(given[0] if len(given) == 1 else None)
    return tensor.get("elem_type", 0), axes
