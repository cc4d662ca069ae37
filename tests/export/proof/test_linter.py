"""Each trap of tf2onnx planted, and graphs made by hand with one thing wrong."""

import keras
import numpy as np
import onnx
import pytest
from keras import ops
from onnx import TensorProto, helper

from export import ExportError
from export.graph.converter import convert
from export.proof.linter import TRAPS, lint, without_weights
from tests.export.graph.toys import port, toy

PLANTED = {
    "XlaDynamicUpdateSlice": lambda z: ops.slice_update(z, (0, 0), ops.ones((1, 1))),
    "StatelessRandomNormalV2": lambda z: z + keras.random.normal(ops.shape(z), seed=3),
    "StatelessMultinomial": lambda z: (
        z + ops.cast(keras.random.categorical(z, 5, seed=3), "float32")
    ),
}


@pytest.mark.parametrize("operator", TRAPS)
def test_each_trap_is_refused_with_its_name_and_remedy(operator):
    spec = toy(lambda z: {"image": PLANTED[operator](z)})
    model = convert(spec)  # does not raise: that is the trap
    source, remedy = TRAPS[operator]
    with pytest.raises(ExportError) as refusal:
        lint(model, spec)
    message = str(refusal.value)
    assert all(part in message for part in (operator, source, remedy, "at node"))
    assert "\n" not in message


def test_other_random_numbers_are_refused_too():
    spec = toy(lambda z: {"image": z + keras.random.uniform(ops.shape(z), seed=3)})
    with pytest.raises(ExportError, match=r"StatelessRandomUniformV2 .* draws random numbers"):
        lint(convert(spec), spec)


# --- by hand ---


def handmade(nodes, *, initializers=(), functions=(), imports=(("", 18),), shape=("batch_size", 5)):
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("z", "image")
    ]
    graph = helper.make_graph(nodes, "decoder", values[:1], values[1:], initializers)
    opsets = [helper.make_opsetid(*entry) for entry in imports]
    return helper.make_model(graph, opset_imports=opsets, functions=functions, ir_version=9)


SPEC = toy(lambda z: {"image": z})
RELU = helper.make_node("Relu", ["z"], ["image"], name="fine")


def branch(operator):
    output = helper.make_tensor_value_info("branch", TensorProto.FLOAT, ("batch_size", 5))
    return helper.make_graph(
        [helper.make_node(operator, ["z"], ["branch"], "deep")], "b", [], [output]
    )


def test_a_good_graph_passes():
    lint(handmade([RELU]), SPEC)


def test_an_unknown_operator_in_a_branch():
    truth = helper.make_tensor("truth", TensorProto.BOOL, [], [True])
    choice = helper.make_node(
        "If", ["truth"], ["image"], then_branch=branch("Relu"), else_branch=branch("Nonsense")
    )
    with pytest.raises(ExportError, match="Nonsense at node 'deep' is not in opset 18"):
        lint(handmade([choice], initializers=[truth]), SPEC)


def test_an_unknown_operator_in_a_function():
    body = [helper.make_node("Nonsense", ["a"], ["b"], "deep")]
    function = helper.make_function("", "Mine", ["a"], ["b"], body, [helper.make_opsetid("", 18)])
    with pytest.raises(ExportError, match="Nonsense at node 'deep'"):
        lint(handmade([RELU], functions=[function]), SPEC)


def test_an_operator_newer_than_the_opset():
    gelu = helper.make_node("Gelu", ["z"], ["image"], "new")  # since 20
    with pytest.raises(ExportError, match="operator Gelu at node 'new' is not in opset 18"):
        lint(handmade([gelu]), SPEC)


def test_a_foreign_domain():
    gelu = helper.make_node("Gelu", ["z"], ["image"], domain="com.microsoft")
    with pytest.raises(ExportError, match=r"operator domain 'com.microsoft'"):
        lint(handmade([gelu], imports=(("", 18), ("com.microsoft", 1))), SPEC)
    with pytest.raises(ExportError, match=r"operator com.microsoft.Gelu"):
        lint(handmade([gelu]), SPEC)


def test_weights_outside_the_file():
    tensor = helper.make_tensor("w", TensorProto.FLOAT, [5], [0] * 5)
    tensor.data_location = TensorProto.EXTERNAL
    with pytest.raises(ExportError, match="tensor 'w' lies outside the file"):
        lint(handmade([RELU], initializers=[tensor]), SPEC)


def test_names_and_axes_that_differ():
    with pytest.raises(ExportError, match=r"decoder inputs are \['z'\]; expected \['noise'\]"):
        lint(handmade([RELU]), toy_with(port("noise", 5)))
    with pytest.raises(
        ExportError, match=r"input 'z' is float32 \['batch_size', 5\]; expected int64"
    ):
        lint(handmade([RELU]), toy_with(port("z", 5, dtype="int64")))
    with pytest.raises(ExportError, match=r"input 'z' is float32 \[1, 5\]; expected"):
        lint(handmade([RELU], shape=(1, 5)), SPEC)


def toy_with(single):
    from dataclasses import replace

    return replace(SPEC, inputs=(single,))


def test_a_graph_that_does_not_hold_together():
    loose = helper.make_node("Relu", ["nowhere"], ["image"])
    with pytest.raises(ExportError, match="not valid ONNX"):
        lint(handmade([loose]), SPEC)


def test_random_operators_of_onnx():
    noise = helper.make_node("RandomNormalLike", ["z"], ["image"], "noise")
    with pytest.raises(ExportError, match="RandomNormalLike at node 'noise' draws random numbers"):
        lint(handmade([noise]), SPEC)


def test_every_onnx_operator_that_is_random_is_known_as_such():
    random = [
        schema.name
        for schema in onnx.defs.get_all_schemas()
        if schema.domain == "" and "seed" in schema.attributes and schema.name != "Dropout"
    ]
    assert len(random) >= 6
    for name in random:
        with pytest.raises(ExportError, match="random"):
            lint(handmade([helper.make_node(name, ["z"], ["image"])]), SPEC)


@pytest.mark.parametrize("cut", [0, 4])
def test_large_constants_are_looked_at_where_they_lie(cut):
    """What checks the graph is given it without them."""
    matrix = np.eye(5, 2**15, dtype=np.float32)
    large = onnx.numpy_helper.from_array(matrix, "w")
    large.raw_data = large.raw_data[: len(large.raw_data) - cut]
    nodes = [
        helper.make_node("MatMul", ["z", "w"], ["wide"]),
        helper.make_node("MatMul", ["wide", "back"], ["image"]),
    ]
    back = onnx.numpy_helper.from_array(matrix.T.copy(), "back")
    model = handmade(nodes, initializers=[large, back])
    before = model.SerializeToString()
    if cut:
        with pytest.raises(ExportError, match="not valid ONNX"):
            lint(model, SPEC)
    else:
        lint(model, SPEC)
        assert without_weights(model).ByteSize() < 1000
    assert model.SerializeToString() == before
