"""Small graphs for tests, and what their manifests would say of them."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from serving.bundle.records import Interface, Port
from serving.graphs.scan import check_graph

DOMAIN = "com.microsoft"
KINDS = {"float32": 1, "uint8": 2, "int32": 6, "int64": 7}


def port(name, *axes, dtype="float32"):
    return Port(name=name, dtype=dtype, axes=list(axes), meaning="")


def node(kind, inputs, outputs, domain="", **attributes):
    """An operator whose inputs and outputs are words of a text; `-` is one that is left out."""
    names = ([name.strip("-") for name in text.split()] for text in (inputs, outputs))
    return helper.make_node(kind, *names, domain=domain, **attributes)


def graph(nodes, constants, inputs, outputs, opset=18):
    """Return an ONNX model, and the interface that it has."""
    values = [
        [helper.make_tensor_value_info(each.name, KINDS[each.dtype], each.axes) for each in ports]
        for ports in (inputs, outputs)
    ]
    tensors = [numpy_helper.from_array(np.asarray(value), key) for key, value in constants.items()]
    body = helper.make_graph(nodes, "graph", *values, tensors)
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(body, opset_imports=imports, ir_version=9)
    return model, Interface(inputs=inputs, outputs=outputs)


def from_x(nodes, constants, shape=("batch", 4), result=("batch", 4)):
    """A graph from `x` to `y`."""
    return graph(nodes, constants, [port("x", *shape)], [port("y", *result)])


def check(model: onnx.ModelProto, interface: Interface, window: int | None = None) -> None:
    opset = next(each.version for each in model.opset_import if not each.domain)
    check_graph(model.SerializeToString(), "graph.onnx", interface, opset, window)


def fused(context=12, heads=2, size=16):
    """One layer of a Transformer in ONNX Runtime's own operators, as the exporter writes it."""
    random, width = np.random.RandomState(0), heads * size
    constants = {
        "embedding": random.randn(11, width),
        "project": random.randn(width, 3 * width),
        "scale": np.ones(width),
        "head": random.randn(width, 11),
        "cosine": random.randn(context, size // 2),
        "sine": random.randn(context, size // 2),
        "scales": random.rand(width),
    }
    constants = {name: array.astype(np.float32) for name, array in constants.items()}
    constants |= {"one": np.int32(1), "columns": np.array([1])}
    constants["few"] = random.randint(0, 255, (width, 1, 32)).astype(np.uint8)
    nodes = [
        node("Cast", "attention_mask", "mask", to=6),
        node("ReduceSum", "mask columns", "counted", keepdims=0),
        node("Sub", "counted one", "last"),
        node("Shape", "attention_mask", "columns_of_mask", start=1, end=2),
        node("Cast", "columns_of_mask", "all", to=6),
        node("Gather", "embedding input_ids", "x"),
        node("MatMul", "x project", "packed"),
        node(
            "GroupQueryAttention",
            "packed - - past_key past_value last all cosine sine",
            "mixed key value",
            DOMAIN,
            num_heads=heads,
            kv_num_heads=heads,
            do_rotary=1,
            rotary_interleaved=0,
        ),
        node(
            "MatMulNBits",
            "mixed few scales",
            "merged",
            DOMAIN,
            K=width,
            N=width,
            bits=8,
            block_size=32,
            accuracy_level=4,
        ),
        node(
            "SkipSimplifiedLayerNormalization",
            "x merged scale",
            "normal - - sum",
            DOMAIN,
            epsilon=1e-5,
        ),
        node("MatMul", "normal head", "logits"),
    ]
    cache = ("batch", heads, "past", size)
    grown = ("batch", heads, "total", size)
    inputs = [
        port("input_ids", "batch", "sequence", dtype="int64"),
        port("attention_mask", "batch", "total", dtype="int64"),
        port("past_key", *cache),
        port("past_value", *cache),
    ]
    outputs = [port("logits", "batch", "sequence", 11), port("key", *grown), port("value", *grown)]
    return graph(nodes, constants, inputs, outputs)


def changed(model, **constants):
    """Return a copy whose constants are others."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    for tensor in copy.graph.initializer:
        if tensor.name in constants:
            tensor.CopyFrom(numpy_helper.from_array(constants[tensor.name], tensor.name))
    return copy
