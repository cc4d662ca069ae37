"""A Transformer in ONNX Runtime's own operators: the same weights and names in far fewer nodes.

The converted graph keeps the path of the Keras layer that each node comes from, so whole layers are
found by their scope: what lies between the matrices `attention/project` and `attention/merge` is
one `GroupQueryAttention`, which turns queries and keys, writes into the cache in place, and
attends to a window where there is one. Queries and keys that are normalised are so before it, in
the operators that ONNX Runtime makes one of. Each sum with the residual stream is one operator with
the normalisation that reads it. That they do what the layers did is not argued here but proved by
parity afterwards.

Such a graph runs on ONNX Runtime alone. Rows are padded on the right, and the cache may have room
for more than was read, in which case the graph fills it in place.
"""

import re
from dataclasses import replace

import numpy as np
import onnx
from onnxscript import ir
from onnxscript.rewriter import rewrite
from onnxscript.rewriter.pattern import RewriteRule, RewriteRuleSet

from export.errors import ExportError
from export.families.forms import Form, Made
from export.families.gpt_graphs import cache_names
from export.families.gpt_settings import FUSED
from export.graph.canonical import canonical
from zoo.transformer.config import GPTConfig
from zoo.transformer.positions.rotary import Rotary

DOMAIN = "com.microsoft"
OLDEST = {"onnxruntime": "1.18"}  # that knows them
SUMS_NOTE = (
    "The `fused` ones are for ONNX Runtime alone, with one operator for each sum and the "
    "normalisation that reads it. The others are standard ONNX."
)
MULTIPLE = 16  # of the width of heads and of what is turned of them
_MATRIX = re.compile(r"\bblock(?:_(\d+))?/attention/(project|merge)/MatMul$")
_SCALE = re.compile(r"\bblock(?:_(\d+))?/attention/(query|key)_norm/Mul(?:_\d+)?$")


def fuse(model: onnx.ModelProto, config: GPTConfig) -> onnx.ModelProto:
    """Return a converted Transformer with one operator for each attention layer.

    Args:
        model: of `export.graph.converter.convert`; it is not changed.
        config: of the Transformer.

    Raises:
        ExportError: the operator does not take such heads, or a layer is not where it should be.
    """
    _check_widths(config)
    fused = ir.serde.deserialize_model(model)
    fused.opset_imports[DOMAIN] = 1
    layers = _attention_matrices(fused.graph, config.layers)
    scales = _scales(fused.graph, config)
    lengths = _lengths(fused.graph)
    tables = _rotary_tables(fused.graph, config)
    for layer, (project, merge) in enumerate(layers):
        # Queries, keys and values come packed in the first input, unless something is done to them.
        inputs = [project, None, None]
        if config.query_key_norm:
            inputs = _normalised(fused.graph, layer, merge, project, scales[layer], config)
        turned = tables if layer not in config.unturned_layers else []
        _fuse_attention(fused.graph, layer, inputs, merge, [*lengths, *turned], config)
    ir.passes.common.RemoveUnusedNodesPass()(fused)
    return _with_fused_sums(fused, config.epsilon)


def form_of_sums(epsilon: float) -> Form:
    """Return the form in which each sum and the normalisation that reads it are one operator.

    Args:
        epsilon: of all normalisations.
    """

    def make(made: Made) -> Made:
        domains = frozenset({DOMAIN})
        specs = {role: replace(spec, domains=domains) for role, spec in made.specs.items()}
        graphs = {role: fuse_sums(graph, epsilon) for role, graph in made.graphs.items()}
        return Made(specs, graphs)

    return Form(FUSED, make, ("cpu",), FUSED, exact=True, runtimes=OLDEST)


def fuse_sums(model: onnx.ModelProto, epsilon: float) -> onnx.ModelProto:
    """Return a converted graph in which each sum and the normalisation that reads it are one.

    Args:
        model: of `export.graph.converter.convert`; it is not changed.
        epsilon: of all normalisations.
    """
    fused = ir.serde.deserialize_model(model)
    fused.opset_imports[DOMAIN] = 1
    return _with_fused_sums(fused, epsilon)


def _with_fused_sums(fused: ir.Model, epsilon: float) -> onnx.ModelProto:
    fused = rewrite(fused, _residual_normalisations(epsilon))
    _drop_unread_outputs(fused.graph)
    return canonical(fused)


def _check_widths(config: GPTConfig) -> None:
    """Refuse heads that the operator does not take."""
    widths = {"heads are": config.head_size}
    if config.positions == "rotary":
        widths["rotary positions of heads are"] = config.turned_width
    for what, width in widths.items():
        if width % MULTIPLE:
            raise ExportError(
                f"model: {what} {width} wide, and ONNX Runtime's attention takes multiples of "
                f"{MULTIPLE}; leave out the fused variants"
            )


def _fuse_attention(
    graph: ir.Graph,
    layer: int,
    inputs: list[ir.Value | None],
    merge: ir.Node,
    shared: list[ir.Value],
    config: GPTConfig,
) -> None:
    """Put one operator between what projects to queries, keys and values and what merges heads."""
    ports = {value.name: value for value in (*graph.inputs, *graph.outputs)}
    (past,) = cache_names("past_key_values", layer + 1)[layer:]
    (present,) = cache_names("present", layer + 1)[layer:]
    window = config.window(layer)
    attention = ir.node(
        "GroupQueryAttention",
        [*inputs, *(ports[name] for name in past), *shared],
        {
            "num_heads": config.heads,
            "kv_num_heads": config.key_value_heads,
            "do_rotary": int(len(shared) > 2),
            "rotary_interleaved": 0,
            **({"local_window_size": window} if window else {}),
        },
        domain=DOMAIN,
        num_outputs=3,
        name=f"block_{layer}/attention",
    )
    graph.insert_before(merge, attention)
    merge.replace_input_with(0, attention.outputs[0])
    for name, value in zip(present, attention.outputs[1:], strict=True):
        before = ports[name]
        graph.outputs[graph.outputs.index(before)] = value
        value.shape, value.type, before.name, value.name = before.shape, before.type, None, name


def _normalised(
    graph: ir.Graph,
    layer: int,
    before: ir.Node,
    project: ir.Value,
    scales: dict[str, ir.Value],
    config: GPTConfig,
) -> list[ir.Value]:
    """Return queries, keys and values apart, each head of the first two of mean square one."""
    size, heads = config.head_size, {"query": config.heads, "key": config.key_value_heads}
    widths = [size * count for count in (*heads.values(), config.key_value_heads)]
    parts = ir.node(
        "Split",
        [project, _constant(graph, "head_parts", np.array(widths, np.int64))],
        {"axis": -1},
        num_outputs=3,
    )
    apart = _constant(graph, "heads_apart", np.array([0, 0, -1, size], np.int64))
    two, axes = _constant(graph, "two", np.float32(2)), _constant(graph, "last", np.array([-1]))
    epsilon = _constant(graph, "head_epsilon", np.float32(config.epsilon))
    nodes, found = [parts], []
    for part, (kind, count) in zip(parts.outputs, heads.items(), strict=False):
        side_by_side = _constant(graph, f"{kind}_width", np.array([0, 0, count * size], np.int64))
        x = ir.node("Reshape", [part, apart])  # (B, T, heads, D)
        # Squared by Pow, which is how ONNX Runtime knows a normalisation.
        squares = ir.node("Pow", [x.outputs[0], two])
        mean = ir.node("ReduceMean", [squares.outputs[0], axes], {"keepdims": 1})
        total = ir.node("Add", [mean.outputs[0], epsilon])
        root = ir.node("Sqrt", [total.outputs[0]])
        divided = ir.node("Div", [x.outputs[0], root.outputs[0]])
        scaled = ir.node("Mul", [divided.outputs[0], scales[kind]])
        joined = ir.node("Reshape", [scaled.outputs[0], side_by_side])  # (B, T, heads D)
        steps = {"split": x, "square": squares, "mean": mean, "add": total, "root": root}
        for name, node in (steps | {"divide": divided, "scale": scaled, "join": joined}).items():
            node.name = f"block_{layer}/attention/{kind}_norm/{name}"
            nodes.append(node)
        found.append(joined.outputs[0])
    graph.insert_before(before, nodes)
    return [*found, parts.outputs[2]]


def _scales(graph: ir.Graph, config: GPTConfig) -> list[dict[str, ir.Value]]:
    """Return what queries and keys of each layer are multiplied by once they are normalised."""
    found: list[dict[str, ir.Value]] = [{} for _ in range(config.layers)]
    if not config.query_key_norm:
        return found
    for node in graph:
        match = _SCALE.search(node.name or "")
        constants = [value for value in node.inputs if value is not None and value.const_value]
        if match and constants and node.op_type == "Mul":
            found[int(match[1] or 0)][match[2]] = constants[0]
    for layer, scales in enumerate(found):
        for kind in {"query", "key"} - scales.keys():
            raise ExportError(f"model: layer {layer} has no norm of its {kind} that can be found")
    return found


def _drop_unread_outputs(graph: ir.Graph) -> None:
    """Take the names off results that nothing reads, such as means, so that none are computed."""
    for node in graph:
        for value in node.outputs[1:]:
            if node.domain == DOMAIN and not value.uses() and value not in graph.outputs:
                value.name = ""


def _attention_matrices(graph: ir.Graph, layers: int) -> list[tuple[ir.Value, ir.Node]]:
    """Return what each layer projects its input to, and the product that merges its heads."""
    found: dict[tuple[int, str], ir.Node] = {}
    for node in graph:
        match = _MATRIX.search(node.name or "")
        if node.op_type == "MatMul" and match:
            found[int(match[1] or 0), match[2]] = node
    missing = {(layer, part) for layer in range(layers) for part in ("project", "merge")} - set(
        found
    )
    if missing:
        layer, part = min(missing)
        raise ExportError(f"model: layer {layer} has no matrix '{part}' that can be found")
    return [(_with_bias(found[layer, "project"]), found[layer, "merge"]) for layer in range(layers)]


def _with_bias(product: ir.Node) -> ir.Value:
    """Return the product, or its sum with a bias where there is one."""
    (result,) = product.outputs
    consumers = list(result.consumers())
    if len(consumers) == 1 and consumers[0].op_type == "Add":
        return consumers[0].outputs[0]
    return result


def _lengths(graph: ir.Graph) -> list[ir.Value]:
    """Compute, from the mask, the number of each row's tokens less one, and of all columns."""
    mask = next(value for value in graph.inputs if value.name == "attention_mask")
    one, columns = (
        _constant(graph, "one", np.int32(1)),
        _constant(graph, "columns", np.array([1], np.int64)),
    )
    counted = ir.node("Cast", [mask], {"to": ir.DataType.INT32})
    sums = ir.node("ReduceSum", [counted.outputs[0], columns], {"keepdims": 0})
    last = ir.node("Sub", [sums.outputs[0], one])
    shape = ir.node("Shape", [mask], {"start": 1, "end": 2})
    width = ir.node("Cast", [shape.outputs[0]], {"to": ir.DataType.INT32})
    graph.insert_before(graph[0], [counted, sums, last, shape, width])
    return [last.outputs[0], width.outputs[0]]


def _rotary_tables(graph: ir.Graph, config: GPTConfig) -> list[ir.Value]:
    if config.positions != "rotary":
        return []
    rotary = Rotary(config.context, config.turned_width, config.rotary_base, config.rotary_scaling)
    return [
        _constant(graph, f"rotary_{name}", table)
        for name, table in (("cosine", rotary.cosine), ("sine", rotary.sine))
    ]


def _constant(graph: ir.Graph, name: str, value: np.ndarray) -> ir.Value:
    tensor = ir.tensor(np.asarray(value), name=name)
    if name in graph.initializers:
        return graph.initializers[name]
    made = ir.Value(
        name=name, const_value=tensor, shape=tensor.shape, type=ir.TensorType(tensor.dtype)
    )
    graph.register_initializer(made)
    return made


# --- a sum and the normalisation that reads it ---


def _rms(op, x, y, axes, epsilon, scale):
    total = op.Add(x, y)
    mean = op.ReduceMean(op.Mul(total, total), axes, _allow_other_attributes=True)
    return total, op.Mul(op.Div(total, op.Sqrt(op.Add(mean, epsilon))), scale)


def _skip_rms(op, x, y, axes, epsilon, scale):
    normalised, _, _, total = op.SkipSimplifiedLayerNormalization(
        x, y, scale, epsilon=_number(epsilon), _domain=DOMAIN, _outputs=4
    )
    return total, normalised


def _layer(op, x, y, scale):
    total = op.Add(x, y)
    return total, op.LayerNormalization(total, scale, axis=-1, _allow_other_attributes=True)


def _layer_shifted(op, x, y, scale, shift):
    total = op.Add(x, y)
    return total, op.LayerNormalization(total, scale, shift, axis=-1, _allow_other_attributes=True)


def _number(value: ir.Value) -> float:
    return float(value.const_value.numpy())


def _residual_normalisations(epsilon: float) -> RewriteRuleSet:
    """Return the rules that make one operator of a sum and the normalisation that reads it."""

    def skip_layer(op, x, y, scale, shift=None):
        normalised, _, _, total = op.SkipLayerNormalization(
            x,
            y,
            scale,
            *([] if shift is None else [shift]),
            epsilon=epsilon,
            _domain=DOMAIN,
            _outputs=4,
        )
        return total, normalised

    return RewriteRuleSet(
        [
            RewriteRule(_rms, _skip_rms),
            RewriteRule(_layer, skip_layer),
            RewriteRule(_layer_shifted, skip_layer),
        ]
    )
