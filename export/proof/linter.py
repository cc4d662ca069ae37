"""Refuse a graph that ONNX Runtime could not load, or that draws its own noise.

tf2onnx does not raise on what it cannot convert: it copies the TensorFlow operator into the ONNX
file, which is then written and does not load. So every operator is looked up in the opset.
"""

import math
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

import onnx
from onnx import AttributeProto, NodeProto, TensorProto, ValueInfoProto

from export.errors import ExportError
from export.proof.graphs import GraphSpec
from serving.bundle.records import Port
from serving.errors import first_line
from serving.graphs.scan import OPERATORS

# TensorFlow operators that reach ONNX files, what in Keras makes them, and what to write instead.
TRAPS = {
    "XlaDynamicUpdateSlice": (
        "keras.ops.slice_update",
        "use keras.ops.where(range == index, ...) or keras.ops.scatter_update",
    ),
    "StatelessRandomNormalV2": (
        "keras.random.normal with a dynamic batch",
        "take the noise as an input of the graph",
    ),
    "StatelessMultinomial": (
        "keras.random.categorical",
        "add Gumbel noise made from a uniform input and take keras.ops.argmax",
    ),
}
RANDOM = ("Bernoulli", "Multinomial", "Random", "StatelessRandom")  # how their names begin
STANDARD = ("", "ai.onnx")
_LARGE = 2**16  # bytes of a constant that no shape depends on
# Beside CUDA these run on the CPU, or their result is as large as their input's values say.
UNFIXED = {
    "Compress",
    "ConstantOfShape",
    "If",
    "Loop",
    "NonMaxSuppression",
    "NonZero",
    "Range",
    "Scan",
    "Shape",
    "Size",
    "Unique",
}


def lint(model: onnx.ModelProto, spec: GraphSpec) -> None:
    """Check a converted graph against its opset and its specification.

    Raises:
        ExportError: naming the first operator, input, output or tensor that is wrong.
    """
    where = spec.role
    own = {domain: OPERATORS[domain] for domain in spec.domains}
    opset = check_opset(model, where, own)
    for node in nodes(model):
        if node.op_type not in own.get(node.domain, ()):
            check_operator(node, opset, where)
    for tensor in tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            raise ExportError(f"{where}: tensor {tensor.name!r} lies outside the file")
    check_ports(model.graph.input, (*spec.inputs, *spec.adapters), f"{where} input")
    check_ports(model.graph.output, spec.outputs, f"{where} output")
    try:
        onnx.checker.check_model(without_weights(model), full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"{where}: not valid ONNX: {first_line(error)}") from error
    for check in spec.checks:
        check(model, where)


def without_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a copy of a graph with inputs in place of its large constants.

    What checks a graph or infers its shapes copies all of it several times, and takes 2 GiB at
    most. A constant whose bytes do not fit its shape stays, to be found.
    """
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    light.functions.extend(model.functions)
    for field, value in model.graph.ListFields():
        if field.name == "initializer":
            continue
        if isinstance(value, str):
            setattr(light.graph, field.name, value)
        else:
            getattr(light.graph, field.name).extend(value)
    taken = {value.name for value in model.graph.input}
    for tensor in model.graph.initializer:
        if tensor.ByteSize() >= _LARGE and tensor.name not in taken and _fits(tensor):
            port = onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            light.graph.input.append(port)
        else:
            light.graph.initializer.append(tensor)
    return light


def _fits(tensor: TensorProto) -> bool:
    itemsize = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
    return len(tensor.raw_data) == math.prod(tensor.dims) * itemsize


def check_opset(model: onnx.ModelProto, where: str, own: Container[str] = ()) -> int:
    """Return the version of the standard operators; others must be of a domain in `own`."""
    imports = [entry for entry in model.opset_import if entry.domain not in own]
    versions = {entry.domain: entry.version for entry in imports}
    foreign = sorted(set(versions) - set(STANDARD))
    if foreign:
        raise ExportError(f"{where}: operator domain {foreign[0]!r}; only standard ONNX may ship")
    if not versions:
        raise ExportError(f"{where}: the file names no opset")
    return max(versions.values())


def check_operator(node: NodeProto, opset: int, where: str) -> None:
    """Refuse an operator that the opset does not have, or that draws random numbers."""
    kind = f"{node.domain}.{node.op_type}" if node.domain else node.op_type
    place = f"{where}: operator {kind} at node {node.name!r}"
    if kind in TRAPS:
        source, remedy = TRAPS[kind]
        raise ExportError(f"{place} comes from {source} and has no ONNX form; {remedy}")
    if node.op_type.startswith(RANDOM):
        raise ExportError(f"{place} draws random numbers; take the noise as an input of the graph")
    if node.domain not in STANDARD or not _in_opset(node.op_type, opset):
        raise ExportError(f"{place} is not in opset {opset}; use other operations in that layer")


def check_static(model: onnx.ModelProto, where: str) -> None:
    """Refuse what keeps a graph from being recorded by CUDA, compiled for an NPU, or run in place.

    Raises:
        ExportError: an operator runs on the CPU beside CUDA or copies numbers from there; what is
            written into is read by others as well; or a tensor has no known size once each axis of
            the inputs has one.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    readers = Counter(name for node in nodes(model) for name in node.input)
    outputs = {value.name for value in model.graph.output}
    for node in nodes(model):
        place = f"{where}: operator {node.op_type} at node {node.name!r}"
        if node.op_type in UNFIXED:
            raise ExportError(f"{place} asks for a size or depends on values")
        if node.op_type == "Split" and not _parts_are_equal(node, constants):
            raise ExportError(f"{place} has parts of several sizes, as no CUDA graph can; slice")
        if node.op_type == "ScatterND" and (
            readers[node.input[0]] > 1 or node.output[0] not in outputs
        ):
            raise ExportError(f"{place} cannot write into {node.input[0]!r} in place")
    unknown = _without_size(model)
    if unknown:
        raise ExportError(f"{where}: the size of {unknown[0]!r} cannot be known beforehand")


def _parts_are_equal(node: NodeProto, constants: Mapping[str, TensorProto]) -> bool:
    if len(node.input) < 2 or not node.input[1]:
        return True
    sizes = onnx.numpy_helper.to_array(constants[node.input[1]])
    return len(set(sizes.tolist())) == 1


def _without_size(model: onnx.ModelProto) -> list[str]:
    """Return the tensors whose size does not follow, once each axis with a name is given 1."""
    fixed = without_weights(model)
    del fixed.graph.value_info[:]
    for value in (*fixed.graph.input, *fixed.graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_value = 1
    graph = onnx.shape_inference.infer_shapes(fixed, strict_mode=True, data_prop=True).graph
    known = {
        value.name
        for value in (*graph.value_info, *graph.output)
        if value.type.tensor_type.HasField("shape")
        and all(axis.HasField("dim_value") for axis in value.type.tensor_type.shape.dim)
    }
    return [name for node in graph.node for name in node.output if name and name not in known]


def check_ports(values: Iterable[ValueInfoProto], ports: Sequence[Port], where: str) -> None:
    """Names, types and axes must be as declared, in the declared order."""
    found = {value.name: f"{_dtype(value)} {_axes(value)}" for value in values}
    declared = {port.name: f"{port.dtype} {port.axes}" for port in ports}
    if list(found) != list(declared):
        raise ExportError(f"{where}s are {list(found)}; expected {list(declared)}")
    for name, expected in declared.items():
        if found[name] != expected:
            raise ExportError(f"{where} {name!r} is {found[name]}; expected {expected}")


def nodes(model: onnx.ModelProto) -> Iterator[NodeProto]:
    """Every node of the graph, of its functions, and of the subgraphs in both."""
    for function in model.functions:
        yield from _within(function.node)
    yield from _within(model.graph.node)


def _within(block: Iterable[NodeProto]) -> Iterator[NodeProto]:
    for node in block:
        yield node
        for subgraph in _subgraphs(node):
            yield from _within(subgraph.node)


def _subgraphs(node: NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Every tensor stored in the model: initializers and constants, subgraphs included."""
    yield from model.graph.initializer
    for node in nodes(model):
        for attribute in node.attribute:
            if attribute.type == AttributeProto.TENSOR:
                yield attribute.t
            yield from attribute.tensors
        for subgraph in _subgraphs(node):
            yield from subgraph.initializer


def _in_opset(op_type: str, opset: int) -> bool:
    try:
        return not onnx.defs.get_schema(op_type, opset).deprecated
    except onnx.defs.SchemaError:
        return False


def _dtype(value: ValueInfoProto) -> str:
    return str(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))


def _axes(value: ValueInfoProto) -> list[str | int]:
    return [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
