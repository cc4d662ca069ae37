"""Graphs that take an adapter at a call: where there was `x W`, there is `x W + (x A) B`.

A and B are inputs with a default: zeros of rank 1, so that who gives none gets what the graph gave
before. ONNX Runtime's own adapters (`RunOptions.add_active_adapter`) work on them, and so do inputs
that are bound.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import onnx
from onnxscript import ir

from export.errors import ExportError
from export.families.forms import Made
from export.graph.canonical import canonical
from export.proof.graphs import Arrays, GraphSpec
from serving.bundle.adaptable import RANK
from serving.bundle.records import Port
from zoo.training.lora.layers import capable, fingerprint

FIRST, SECOND = ".lora_A", ".lora_B"
_PRODUCTS = ("MatMul", "MatMulNBits")
_PROOF_RANK, _PROOF_SCALE = 3, 0.1
_PROVED = 3  # trials that are also made with an adapter


def input_name(layer: str) -> str:
    """Return what the inputs of a layer's factors begin with.

    Example:
        >>> input_name("block_0/attention/project")
        'block_0.attention.project'
    """
    return layer.replace("/", ".")


def adaptable(made: Made, model: keras.Model, targets: Sequence[str]) -> Made:
    """Return graphs that take an adapter of the layers of some names.

    Args:
        made: whose products keep the path of the layer that they are of.
        model: that the graphs are of.
        targets: names of layers.

    Raises:
        ExportError: a layer's product is in no graph.
    """
    layers = {
        name: layer for name, layer in capable(model).items() if name.split("/")[-1] in targets
    }
    ports = tuple(port for name, layer in layers.items() for port in _ports(name, layer))
    graphs = {role: _adapted(graph, layers) for role, graph in made.graphs.items()}
    specs = {role: _spec(spec, model, ports) for role, spec in made.specs.items()}
    return Made(specs, graphs, fingerprint(model))


def _ports(name: str, layer: Any) -> list[Port]:
    """Return the inputs of a layer's factors."""
    rows, columns = layer.kernel.shape
    kinds = ((FIRST, [rows, RANK], "A"), (SECOND, [RANK, columns], "B"))
    return [
        Port(
            name=input_name(name) + end,
            dtype="float32",
            axes=axes,
            meaning=f"{letter} of an adapter that adds (x A) B to {name}; zero if not given",
        )
        for end, axes, letter in kinds
    ]


# --- the graph ---


def _adapted(model: onnx.ModelProto, layers: Mapping[str, Any]) -> onnx.ModelProto:
    """Return a graph with the product of each layer changed by what two new inputs say."""
    changed = ir.serde.deserialize_model(model)
    nodes = (node for node in changed.graph if node.op_type in _PRODUCTS)
    # Of a matrix in few bits there may be two products; that of x itself is the latter kind.
    products = {_layer_of(node.name or ""): node for node in sorted(nodes, key=_kind)}
    for name, layer in layers.items():
        if name not in products:
            raise ExportError(f"{model.graph.name}: the product of layer {name} is not found")
        _adapt(changed.graph, products[name], _ports(name, layer))
    return canonical(changed)


def _kind(node: ir.Node) -> int:
    return _PRODUCTS.index(node.op_type)


def _layer_of(name: str) -> str:
    """Return the layer within the model that an operator is of, by the operator's name.

    Example:
        >>> _layer_of("gpt/block/attention/merge/MatMul")
        'block_0/attention/merge'
    """
    layer = "/".join(name.split("/")[1:-1])
    return re.sub(r"^block/", "block_0/", layer)  # which is not counted where it is the only one


def _adapt(graph: ir.Graph, product: ir.Node, ports: Sequence[Port]) -> None:
    """Add `(x A) B` to a product `x W`.

    Of x there are two copies, one after the other, and of the result the first is taken: one row is
    multiplied by other instructions than several, which add up in another order, and a text would
    depend on what is written beside it.
    """
    path = (product.name or "").rpartition("/")[0]
    result, after = product.outputs[0], product
    first, second = (_input(graph, port) for port in ports)

    def add(kind: str, inputs: list[ir.Value], outputs: int = 1, **attributes: Any) -> ir.Value:
        nonlocal after
        node = ir.node(kind, inputs, attributes, num_outputs=outputs, name=f"{path}/{kind}")
        after.append(node)
        after = node
        return node.outputs[0]

    twice = add("Concat", [product.inputs[0], product.inputs[0]], axis=0)
    change = add("MatMul", [add("MatMul", [twice, first]), second])
    once = add("Split", [change], 2, axis=0, num_outputs=2)
    readers = list(result.uses())
    total = add("Add", [result, once])
    for reader, index in readers:
        reader.replace_input_with(index, total)


def _input(graph: ir.Graph, port: Port) -> ir.Value:
    """Add an input to a graph that may be left out, and is then zero at rank 1."""
    zeros = np.zeros([1 if isinstance(axis, str) else axis for axis in port.axes], np.float32)
    value = ir.Value(
        name=port.name,
        const_value=ir.tensor(zeros, name=port.name),
        shape=ir.Shape(port.axes),
        type=ir.TensorType(ir.DataType.FLOAT),
    )
    graph.inputs.append(value)
    graph.register_initializer(value)
    return value


# --- its proof ---


def _spec(spec: GraphSpec, model: keras.Model, ports: tuple[Port, ...]) -> GraphSpec:
    """Describe the graph that takes an adapter: with one it is Keras with the merged weights."""

    def call(**inputs: Any) -> Mapping[str, Any]:
        factors = {port.name: inputs.pop(port.name) for port in ports if port.name in inputs}
        with _merged(model, factors):
            return spec.call(**inputs)

    def trials() -> Iterator[tuple[str, Arrays]]:
        for index, (words, inputs) in enumerate(spec.trials() if spec.trials else ()):
            yield words, inputs
            if index < _PROVED:
                yield f"{words}, with an adapter", inputs | _drawn(ports, seed=index)

    return replace(spec, call=call, trials=trials, adapters=ports)


def _drawn(ports: Sequence[Port], seed: int) -> Arrays:
    """Draw an adapter that changes what it is given to."""
    random = np.random.RandomState(seed)
    shapes = {port.name: [_PROOF_RANK if axis == RANK else int(axis) for axis in port.axes]
              for port in ports}  # fmt: skip
    return {
        name: (random.standard_normal(shape) * _PROOF_SCALE / math.sqrt(shape[0])).astype("float32")
        for name, shape in shapes.items()
    }


@contextmanager
def _merged(model: keras.Model, factors: Arrays) -> Iterator[None]:
    """Within, the weights of a model are those with an adapter, by the names of its inputs."""
    layers = {input_name(name): layer for name, layer in capable(model).items()}
    before = {}
    for name in factors:
        base = name.removesuffix(FIRST)
        if base != name:
            kernel = layers[base].kernel
            before[base] = kernel.numpy()
            kernel.assign(before[base] + factors[name] @ factors[base + SECOND])
    try:
        yield
    finally:
        for base, value in before.items():
            layers[base].kernel.assign(value)
