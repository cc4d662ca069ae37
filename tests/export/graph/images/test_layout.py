"""Channels come first without transposes, and all numbers stay as they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnxscript import ir

from export.families import gan
from export.families.vae_graphs import graphs
from export.graph.converter import convert, infer_shapes
from export.graph.images.layout import channels_first
from export.proof.parity import prove, runner
from tests.export.graph.toys import kinds, network
from tests.zoo.gan import tiny_gan
from tests.zoo.vae import tiny

FIRST, LAST = {"perm": [0, 3, 1, 2]}, {"perm": [0, 2, 3, 1]}
IMAGE = np.array([-1, 2, 3, 4])  # height, width, channels


def turned(model):
    graph = ir.serde.deserialize_model(model)
    infer_shapes(graph)
    before = len(graph.graph)
    found = channels_first(graph)
    assert len(graph.graph) == before  # it is not changed
    return ir.serde.serialize_model(found)


def assert_same(model, other, *shape):
    x = np.random.RandomState(1).normal(size=(2, *shape)).astype(np.float32)
    expected, found = runner(model)({"x": x})["y"], runner(other)({"x": x})["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def painted(product, attributes, constants, between=()):
    """A dense layer, read as an image (2, 3, 4), turned, and given as channels first."""
    source = between[-1][2] if between else "image"
    nodes = [
        (product, " ".join(["x", *constants]), "flat", attributes),
        ("Reshape", "flat shape", "image", {}),
        *((*node, {}) for node in between),
        ("Transpose", source, "y", FIRST),
    ]
    random = np.random.RandomState(2)
    others = {"shape": IMAGE, "scale": random.normal(size=4), "pixel": random.normal(size=(3, 1))}
    return network(nodes, constants | others, axes=[24])


@settings(max_examples=20, deadline=None)
@given(
    turned_weights=st.booleans(),  # a square matrix, where to mistake the axes would go unseen
    bias_shape=st.sampled_from([None, (24,), (1, 24), (1,), (1, 1), ()]),
    operators=st.lists(st.sampled_from(["Relu", "Mul", "Add", "Sub", "Tanh"]), max_size=3),
)
def test_the_dense_layer_gives_channels_first(turned_weights, bias_shape, operators):
    random = np.random.RandomState(0)
    constants = {"weights": random.normal(size=(24, 24))}
    if bias_shape is not None:
        constants["bias"] = random.normal(size=bias_shape)
    between, value = [], "image"
    for index, kind in enumerate(operators):
        other = {"Mul": " scale", "Add": " pixel", "Sub": " scale"}.get(kind, "")
        between.append((kind, value + other, f"value_{index}"))
        value = f"value_{index}"
    attributes = {"transB": int(turned_weights), "alpha": 2.0, "beta": 0.5}
    model = painted("Gemm", attributes, constants, between)
    found = turned(model)
    assert "Transpose" not in kinds(found)
    assert_same(model, found, 24)


def test_a_product_without_bias_too():
    model = painted("MatMul", {}, {"weights": np.random.RandomState(0).normal(size=(24, 24))})
    found = turned(model)
    assert kinds(found) == ["MatMul", "Reshape"]
    assert_same(model, found, 24)


@pytest.mark.parametrize("turned_weights", [False, True])
@pytest.mark.parametrize("more_behind", [False, True])
def test_a_dense_layer_reads_channels_first(turned_weights, more_behind):
    rows = 24 + 24 * more_behind
    shape = (24, rows) if turned_weights else (rows, 24)
    nodes = [
        ("Transpose", "x", "last", LAST),
        ("Reshape", "last shape", "flat", {}),
        ("Concat", "flat flat_again", "both", {"axis": 1}),
        ("Gemm", f"{'both' if more_behind else 'flat'} weights", "y", {"transB": turned_weights}),
    ]
    if more_behind:
        nodes.insert(2, ("Reshape", "x shape", "flat_again", {}))
    else:
        del nodes[2]
    constants = {"shape": [-1, 24], "weights": np.random.RandomState(0).normal(size=shape)}
    model = network(nodes, constants, axes=[4, 2, 3], result_axes=2)
    found = turned(model)
    assert "Transpose" not in kinds(found)
    assert_same(model, found, 4, 2, 3)


@pytest.mark.parametrize("flat", [False, True])
def test_what_is_returned_keeps_its_order(flat):
    nodes = [("Transpose", "x", "turned", LAST), ("Relu", "turned", "y", {})]
    if flat:
        nodes[1:] = [("Reshape", "turned shape", "flat", {}), ("Relu", "flat", "y", {})]
    model = network(nodes, {"shape": [-1, 24]}, [4, 2, 3], result_axes=2 if flat else 4)
    assert kinds(turned(model)) == kinds(model)


def test_what_is_taken_keeps_its_order():
    nodes = [("Transpose", "x", "t", LAST), ("Relu", "t", "r", {}), ("Transpose", "r", "y", FIRST)]
    model = network(nodes, {}, axes=[4, 2, 3])
    found = turned(model)
    assert kinds(found) == ["Relu"]
    assert_same(model, found, 4, 2, 3)


SPECS = {
    **{
        f"{architecture} {condition}": lambda a=architecture, c=condition: gan.graphs(
            tiny_gan.model(tiny_gan.config(a, c))
        )
        for architecture in tiny_gan.SIZES
        for condition in tiny_gan.CONDITIONS
    },
    **{f"vae {kind}": lambda k=kind: graphs(tiny.model(k)) for kind in tiny.MODELS},
}


@pytest.mark.long
@pytest.mark.parametrize("name", SPECS)
def test_no_transpose_is_left_between_layers(name):
    for spec in SPECS[name]():
        model = convert(spec)
        assert prove(runner(model), spec) < 1e-4
        operators = kinds(model)
        images = [port for port in (*spec.inputs, *spec.outputs) if len(port.axes) == 4]
        colours = sum(port.axes[-1] > 1 for port in images)
        assert operators.count("Transpose") <= colours  # where they enter or leave the graph
