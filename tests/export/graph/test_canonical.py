"""The same graph gives the same bytes, in whatever order and under whatever names it was made."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxscript import ir

from export.families import gan, gpt_graphs, vae_graphs
from export.graph.canonical import canonical
from export.graph.converter import convert
from export.proof.parity import runner
from tests.zoo.gan import tiny_gan
from tests.zoo.transformer import tiny_gpt
from tests.zoo.vae import tiny

MAKERS = {
    "gpt": lambda: gpt_graphs.graphs(tiny_gpt.model("grouped"))[0],
    "vae": lambda: vae_graphs.graphs(tiny.model("conditional"))[0],
    "gan": lambda: gan.graphs(tiny_gan.model(tiny_gan.config("residual", "projection")))[0],
}


@pytest.fixture(scope="module", params=MAKERS)
def made(request):
    """What is known of a graph, and the graph; read only."""
    spec = MAKERS[request.param]()
    return spec, convert(spec)


def again(model):
    return canonical(ir.serde.deserialize_model(model))


def disguised(model, seed):
    """The same graph as another process might have made it."""
    random, other = np.random.RandomState(seed), onnx.ModelProto.FromString(b"")
    other.CopyFrom(model)
    graph = other.graph
    names = {port.name: port.name for port in (*graph.input, *graph.output)}

    def renamed(name):
        counted = re.sub(r"_(\d+)", lambda found: f"_{int(found[1]) + 7}", name)
        return names.setdefault(name, counted and f"{counted}__{len(names)}")

    for node in graph.node:
        node.name = renamed(node.name)
        node.input[:], node.output[:] = map(renamed, node.input), map(renamed, node.output)
        node.doc_string = "made by hand"
        attributes = sorted(node.attribute, key=lambda _: random.rand())
        del node.attribute[:]
        node.attribute.extend(attributes)
    for tensor in graph.initializer:
        tensor.name = renamed(tensor.name)
        if tensor.data_type == TensorProto.FLOAT and seed % 2:
            tensor.float_data.extend(numpy_helper.to_array(tensor).ravel().tolist())
            tensor.ClearField("raw_data")
    shuffle(graph.initializer, random)
    shuffle(graph.node, random)
    in_any_order(graph)
    other.metadata_props.add(key="made", value=str(seed))
    other.producer_name = "somebody"
    return other


def shuffle(repeated, random):
    parts = sorted(repeated, key=lambda _: random.rand())
    del repeated[:]
    repeated.extend(parts)


def in_any_order(graph):
    """Put each node behind those that it reads, and keep the order else."""
    known = {"", *(each.name for each in (*graph.input, *graph.initializer))}
    left, placed = list(graph.node), []
    while left:
        node = next(node for node in left if known.issuperset(node.input))
        left.remove(node)
        placed.append(node)
        known.update(node.output)
    del graph.node[:]
    graph.node.extend(placed)


@pytest.mark.parametrize("seed", [1, 2])
def test_neither_order_nor_counters_nor_form_count(made, seed):
    _, model = made
    other = disguised(model, seed)
    assert [node.name for node in other.graph.node] != [node.name for node in model.graph.node]
    assert again(other).SerializeToString() == model.SerializeToString()


def test_it_computes_the_same(made):
    spec, model = made
    inputs = spec.sample(3, 0)
    expected = runner(disguised(model, 3))(inputs)
    for name, value in runner(model)(inputs).items():
        np.testing.assert_allclose(value, expected[name], rtol=1e-6, atol=1e-6)


def test_a_graph_that_is_canonical_stays_as_it_is(made):
    _, model = made
    before = model.SerializeToString()
    assert again(model).SerializeToString() == before == model.SerializeToString()


def test_names_say_layer_and_operator():
    model = convert(MAKERS["gpt"]())
    names = {node.name for node in model.graph.node}
    assert {"gpt/block_0/attention/merge/MatMul", "gpt/block_1/attention/Softmax"} <= names
    constants = [tensor.name for tensor in model.graph.initializer]
    assert "gpt/block_1/feed_forward/contract/MatMul.weight" in constants
    assert constants == sorted(constants, reverse=True)


def test_other_numbers_are_other_bytes(made):
    _, model = made
    other = onnx.ModelProto.FromString(model.SerializeToString())
    weights = max(other.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights.raw_data = bytes(len(weights.raw_data))
    assert again(other).SerializeToString() != model.SerializeToString()


def branching(order, name):
    """A graph that takes one of two ways, which both read what lies outside."""

    def way(operator):
        result = helper.make_tensor_value_info(f"{name}_{operator}", 1, ["batch"])
        node = helper.make_node(operator, [f"{name}_outside"], [result.name], f"{name}{operator}")
        return helper.make_graph([node], operator, [], [result])

    nodes = {
        "outside": helper.make_node("Abs", ["x"], [f"{name}_outside"]),
        "truth": helper.make_node("ReduceMax", ["x"], [f"{name}_most"], keepdims=0),
        "test": helper.make_node("Greater", [f"{name}_most", f"{name}_zero"], [f"{name}_test"]),
        "way": helper.make_node(
            "If", [f"{name}_test"], ["y"], then_branch=way("Neg"), else_branch=way("Sqrt")
        ),
    }
    x, y = (helper.make_tensor_value_info(port, 1, ["batch"]) for port in "xy")
    zero = numpy_helper.from_array(np.float32(0), f"{name}_zero")
    graph = helper.make_graph([nodes[key] for key in order], "graph", [x], [y], [zero])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def test_branches_are_put_in_order_too():
    one = branching(["outside", "truth", "test", "way"], "a")
    other = branching(["truth", "outside", "test", "way"], "b")
    assert again(one).SerializeToString() == again(other).SerializeToString()
    onnx.checker.check_model(again(one), full_check=True)
    for x in ([-4.0, 9.0], [-4.0, -9.0]):
        found = runner(again(one))({"x": np.float32(x)})["y"]
        np.testing.assert_array_equal(found, runner(one)({"x": np.float32(x)})["y"])
