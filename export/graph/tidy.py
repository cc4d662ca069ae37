"""Layers, which tf2onnx leaves in pieces, as the operators that they are.

Nodes keep the path of the Keras layer that they come from (`block_1/attention/merge/Tensordot`), so
a layer is found by its path and not by its arithmetic. What holds of every such layer is used here
(a Dense layer maps the last axis, attention keeps the batch, no id is negative) and is proved for
each graph by parity.
"""

import numpy as np
from onnxscript import ir
from onnxscript.rewriter import rewrite
from onnxscript.rewriter.pattern import RewriteRule, RewriteRuleSet

from export.graph.surgery import added, constant, replace

INDICES = (ir.DataType.INT32, ir.DataType.INT64)
GUARD = ("Add", "Cast", "Less", "Mul", "Not", "Where")  # what a guard of ids is made of
END = 10**9  # from here on tf2onnx means the end


def tidy_layers(model: ir.Model) -> ir.Model:
    """Turn Dense, Embedding, normalisation and the reshapes of attention into single operators."""
    for node in list(model.graph):
        if node.op_type == "MatMul" and node.name.endswith("/Tensordot/MatMul"):
            _tidy_dense(node, model.graph)
        elif node.op_type == "Reshape" and "/attention" in node.name:
            _tidy_reshape(node, model.graph)
        elif node.op_type == "Gather":
            _tidy_embedding(node)
        elif node.op_type == "OneHot":
            _tidy_one_hot(node, model.graph)
        elif node.op_type == "Slice" and _takes_all(node):
            node.outputs[0].replace_all_uses_with(node.inputs[0])
    return rewrite(model, NORMALISATIONS)


def plain_reshapes(model: ir.Model) -> None:
    """Take away, in place, `allowzero` from shapes without 0, where it means nothing.

    Not every runtime knows it.
    """
    for node in model.graph:
        shape = node.inputs[1].const_value if node.op_type == "Reshape" else None
        if shape is not None and shape.numpy().all():
            node.attributes.pop("allowzero", None)


def _tidy_dense(product: ir.Node, graph: ir.Graph) -> None:
    """Multiply a tensor of three axes by the matrix, instead of folding two of them before."""
    before = product.inputs[0].producer()
    if before is None or before.op_type != "Reshape":
        return
    product.replace_input_with(0, before.inputs[0])
    result = product.outputs[0]
    result.shape = None
    layer = product.name.removesuffix("/MatMul")
    for after in list(result.consumers()):
        if after.op_type != "Reshape" or after.name != layer:
            continue  # the next layer's own reshape takes its place
        unfolded = after.outputs[0]
        unfolded.replace_all_uses_with(result, replace_graph_outputs=True)
        if result in graph.outputs:
            result.shape, result.type = unfolded.shape, unfolded.type
            result.name, unfolded.name = unfolded.name, None
            graph.remove(after, safe=True)


def _tidy_reshape(node: ir.Node, graph: ir.Graph) -> None:
    """Write a shape `(-1, length, heads, size)`, put together anew each time, as a constant.

    So one of `(batch, -1, heads, size)`. The batch is copied (0), and what is left over is the
    length (-1).
    """
    pieces = _pieces(node.inputs[1])
    if pieces[:2] == [None, -1]:
        pieces[:2] = [-1, None]
    if not pieces or pieces[0] != -1 or pieces.count(None) != 1:
        return
    shape = [0, *(-1 if piece is None else piece for piece in pieces[1:])]
    node.replace_input_with(1, constant(np.array(shape), f"{node.name}/shape", graph))


def _pieces(value: ir.Value) -> list[int | None]:
    """Return the numbers that a shape is put together from, None for one that is not constant."""
    node = value.producer()
    while node is not None and node.op_type == "Cast":
        node = node.inputs[0].producer()
    if node is None or node.op_type != "Concat":
        return []
    pieces: list[int | None] = []
    for part in node.inputs:
        pieces += [None] if part.const_value is None else part.const_value.numpy().tolist()
    return pieces


def _tidy_embedding(node: ir.Node) -> None:
    """Look up the ids that come in, without the guard against negative ones."""
    table, ids = node.inputs
    if table.const_value is None or len(table.const_value.shape) > 2:
        return
    guarded = _guarded(ids)
    if guarded is not None:
        node.replace_input_with(1, guarded)


def _tidy_one_hot(node: ir.Node, graph: ir.Graph) -> None:
    """Look up rows of the identity, which runtimes without `OneHot` do as well."""
    ids, depth, values = node.inputs
    known = depth.const_value is not None and values.const_value is not None
    if not known or values.const_value.numpy().tolist() != [0, 1] or ids.dtype not in INDICES:
        return
    if node.attributes.get_int("axis", -1) in (-1, len(ids.shape)):
        kind = values.const_value.numpy().dtype
        rows = constant(np.eye(depth.const_value.numpy().item(), dtype=kind), "rows", graph)
        replace(node.outputs[0], added("Gather", [rows, ids], node))


def _guarded(value: ir.Value) -> ir.Value | None:
    """Return the ids that a guard lets through, `ids + V (ids < 0)`; None if there is none."""
    left, seen = [value], set()
    while left:
        node = left.pop().producer()
        if node is None or node in seen or node.op_type not in GUARD:
            continue
        seen.add(node)
        if node.op_type != "Less":
            left += [each for each in node.inputs if each is not None]
            continue
        ids, least = node.inputs
        if least.const_value is not None and not least.const_value.numpy().any():
            return _uncast(ids)
    return None


def _uncast(value: ir.Value) -> ir.Value:
    """Return ids as they were before they were cast to be compared."""
    node = value.producer()
    while node is not None and node.op_type == "Cast":
        to = node.attributes.get_int("to", 0)
        if to in INDICES and node.inputs[0].dtype not in INDICES:
            break  # what became ids only here
        value, node = node.inputs[0], node.inputs[0].producer()
    return value


def _takes_all(node: ir.Node) -> bool:
    """Tell whether a slice is its input: from the first element to the last, of every axis."""
    constants = [value.const_value if value else None for value in node.inputs[1:]]
    if len(constants) < 4 or any(constant is None for constant in constants):
        return False
    starts, ends, _, steps = (constant.numpy() for constant in constants)
    return bool((starts == 0).all() and (ends >= END).all() and (steps == 1).all())


# --- normalisation, which each is a formula of its own ---


def _rms(op, x, axes, epsilon, scale):
    mean = op.ReduceMean(op.Mul(x, x), axes, _allow_other_attributes=True)
    inverse = op.Reciprocal(op.Sqrt(op.Add(mean, epsilon)))
    return op.Mul(x, op.Mul(inverse, scale))


def _rms_tidy(op, x, axes, epsilon, scale):
    """The form with a division, in which the scale comes last; the standard has one operator from
    opset 23 on.

    Some ONNX Runtimes refuse `Pow` here in half precision.
    """
    mean = op.ReduceMean(op.Mul(x, x), axes, keepdims=1)
    return op.Mul(op.Div(x, op.Sqrt(op.Add(mean, epsilon))), scale)


def _layer(op, x, axes, epsilon, scale):
    mean = op.ReduceMean(x, axes, _allow_other_attributes=True)
    apart = op.Sub(x, mean)
    variance = op.ReduceMean(op.Mul(apart, apart), axes, _allow_other_attributes=True)
    factor = op.Mul(op.Reciprocal(op.Sqrt(op.Add(variance, epsilon))), scale)
    return op.Add(op.Mul(x, factor), op.Mul(op.Neg(mean), factor))


def _layer_shifted(op, x, axes, epsilon, scale, shift):
    mean = op.ReduceMean(x, axes, _allow_other_attributes=True)
    apart = op.Sub(x, mean)
    variance = op.ReduceMean(op.Mul(apart, apart), axes, _allow_other_attributes=True)
    factor = op.Mul(op.Reciprocal(op.Sqrt(op.Add(variance, epsilon))), scale)
    return op.Add(op.Mul(x, factor), op.Add(op.Mul(op.Neg(mean), factor), shift))


def _layer_tidy(op, x, axes, epsilon, scale, shift=None):
    flat = op.Constant(value=ir.tensor(np.array([-1])))
    weights = [op.Reshape(each, flat) for each in (scale, shift) if each is not None]
    value = float(epsilon.const_value.numpy())
    return op.LayerNormalization(x, *weights, axis=-1, epsilon=value)


def _is_last_axis(context, x, axes, epsilon, scale, **_) -> bool:
    known = [value.const_value for value in (axes, epsilon, scale)]
    return None not in known and known[0].numpy().tolist() == [-1] and known[1].size == 1


# Operands stand as Keras writes them; to look for every order of each would take 208 rules.
NORMALISATIONS = RewriteRuleSet(
    [
        RewriteRule(_layer_shifted, _layer_tidy, _is_last_axis),
        RewriteRule(_layer, _layer_tidy, _is_last_axis),
        RewriteRule(_rms, _rms_tidy, _is_last_axis),
    ]
)
