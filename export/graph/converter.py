"""Keras to ONNX. The only module that knows tf2onnx, which is lightly maintained."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import tf2onnx
import tf2onnx.onnx_opset.nn
import tf2onnx.optimizer
from onnxscript import ir
from onnxscript.optimizer import optimize
from onnxscript.rewriter import rewrite
from onnxscript.rewriter.rules.common import matmul_add_to_gemm_rule
from onnxscript.version_converter import convert_version

from export.errors import ExportError
from export.graph.apart import put_back
from export.graph.canonical import canonical, put_in_order
from export.graph.folding import fold
from export.graph.gradients import GRADIENTS
from export.graph.images.layout import channels_first
from export.graph.images.repeats import merge_resizes, resize_repeated
from export.graph.images.slopes import convolve_slopes
from export.graph.images.stacked import merge_stacked
from export.graph.tidy import plain_reshapes, tidy_layers
from export.proof.graphs import APART, GraphSpec
from export.quiet import quiet
from serving.errors import first_line

OPSET = 19
_CONVERTED = 18  # the latest that tf2onnx writes
IR_VERSION = 9  # of the file format, with that opset
# What tf2onnx's other optimizers do is done below, and they do it in the order of sets: names, and
# sometimes operators, would differ from process to process.
_OPTIMIZERS = tf2onnx.optimizer._get_optimizers()
for _name in _OPTIMIZERS.keys() - {"optimize_transpose", "fold_constants", "remove_identity"}:
    del _OPTIMIZERS[_name]


def convert(spec: GraphSpec) -> onnx.ModelProto:
    """Convert one graph of a Keras model.

    Inputs, outputs and dynamic axes carry the names of the specification, in its order. The result
    is tidied, but not trusted: `linter.lint` and `parity.prove` follow.

    Raises:
        ExportError: tf2onnx gave up. (It does not on operators it cannot convert: the linter does.)
    """
    function = spec.function(apart=True)
    with quiet():
        try:
            model, _ = tf2onnx.convert.from_function(
                function,
                input_signature=function.input_signature,
                opset=_CONVERTED,
                custom_op_handlers=_HANDLERS,
            )
        except Exception as error:  # tf2onnx raises whatever its parts raise
            reason = first_line(error)
            raise ExportError(f"{spec.role}: tf2onnx cannot convert it: {reason}") from error
        _declare(model, spec)
        numbers = (_numbers(matrix) for matrix in spec.matrices)
        return simplify(model, {f"{APART}{count}": each for count, each in enumerate(numbers)})


def simplify(
    model: onnx.ModelProto, matrices: Mapping[str, np.ndarray] | None = None
) -> onnx.ModelProto:
    """Fold constants and drop what tf2onnx leaves behind; the arithmetic stays as it is.

    With shapes inferred from the named axes, every chain `Shape -> Cast -> Slice -> Concat ->
    Reshape` that carries the batch size becomes one Reshape to a constant.

    Args:
        model: as it is converted.
        matrices: that inputs of it stand for, by their names.
    """
    graph = ir.serde.deserialize_model(model)
    put_back(graph.graph, matrices or {})
    put_in_order(graph)  # what follows then depends on nothing else
    convert_version(graph, OPSET)
    graph.ir_version = IR_VERSION
    merge_equal(graph)
    graph = tidy_layers(graph)
    infer_shapes(graph)
    graph = optimize(rewrite(graph))
    graph = rewrite(graph, [matmul_add_to_gemm_rule])  # a dense layer is one operator
    fold(graph)  # what lies flat: no scale is then between a dense layer and its image
    resize_repeated(graph)
    infer_shapes(graph)
    graph = channels_first(graph)
    merge_resizes(graph)
    fold(graph)
    infer_shapes(graph)
    convolve_slopes(graph)
    merge_stacked(graph)
    merge_equal(graph)
    plain_reshapes(graph)
    return canonical(graph)


def _numbers(variable: Any) -> np.ndarray:
    """Return the numbers of a Keras variable where they lie."""
    return np.asarray(variable.value.read_value())


def merge_equal(graph: ir.Model) -> None:
    """Keep, in place, one of those constants and operators that are the same."""
    ir.passes.common.DeduplicateInitializersPass()(graph)
    ir.passes.common.CommonSubexpressionEliminationPass()(graph)


def infer_shapes(graph: ir.Model) -> None:
    """Infer the shape of each value, in place, as far as it follows."""
    ir.passes.common.ShapeInferencePass(check_type=False, strict_mode=False)(graph)


def _declare(model: onnx.ModelProto, spec: GraphSpec) -> None:
    """Name the graph and its dynamic axes, and put the outputs in the declared order."""
    graph = model.graph
    graph.name = spec.role
    ports = {port.name: port for port in (*spec.inputs, *spec.outputs)}
    order = list(ports)
    outputs = sorted(graph.output, key=lambda value: order.index(value.name))
    del graph.output[:], graph.value_info[:]
    graph.output.extend(outputs)
    for value in [*graph.input, *graph.output]:
        axes = value.type.tensor_type.shape.dim
        declared_axes = ports[value.name].axes if value.name in ports else ()  # but for matrices
        for axis, declared in zip(axes, declared_axes, strict=False):  # lint compares
            if isinstance(declared, str) and not axis.dim_value:
                axis.dim_param = declared


def _erfc(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write erfc(x) as 1 - erf(x): TensorFlow traces the exact GELU to Erfc, which ONNX lacks."""
    source, target = node.input[0], node.output[0]
    shape, dtype = graph.get_shape(target), graph.get_dtype(target)
    graph.remove_node(node.name)
    one = graph.make_const(tf2onnx.utils.make_name(f"{name}_one"), np.ones((), np.float32))
    erf = graph.make_node("Erf", [source], shapes=[shape], dtypes=[dtype])
    graph.make_node(
        "Sub",
        [one.output[0], erf.output[0]],
        outputs=[target],
        name=name,
        shapes=[shape],
        dtypes=[dtype],
    )


def _upconvolve(graph: Any, node: Any, name: str, _: Any) -> None:
    """Write a convolution's gradient as a transposed convolution, of the size that is known.

    The size comes as the shape of what was convolved, of which the batch alone is not known.
    """
    layers, shape = tf2onnx.onnx_opset.nn, graph.get_shape(node.output[0])
    given = layers.get_shape_from_const_or_concat(graph, node.inputs[0])
    if given is None and shape is not None and min(shape[1:]) > 0:
        size = graph.make_const(tf2onnx.utils.make_name(f"{name}_size"), np.int32([1, *shape[1:]]))
        graph.replace_input(node, node.input[0], size.output[0], 0)
    layers.ConvTranspose.version_1(graph, node)


_HANDLERS = {
    "Erfc": (_erfc, []),
    "Conv2DBackpropInput": (_upconvolve, []),
    **{name: (write, []) for name, write in GRADIENTS.items()},
}
