"""Hostile and broken ONNX files are refused before ONNX Runtime sees them."""

import numpy as np
import onnx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from serving.bundle.records import BundleError, Interface, Port
from serving.graphs.scan import check_graph
from tests.serving import tiny_bundle

INTERFACE = Interface(
    inputs=[Port(name="z", dtype="float32", axes=["batch_size", 2], meaning="")],
    outputs=[
        Port(name=name, dtype="float32", axes=["batch_size", 4, 4, 1], meaning="")
        for name in ("image", "parameters")
    ],
)
GOOD = tiny_bundle.graph("decoder").SerializeToString()


def check(model, interface=INTERFACE, opset=tiny_bundle.OPSET):
    data = model if isinstance(model, bytes) else model.SerializeToString()
    check_graph(data, "decoder.onnx", interface, opset)


def refusal(model, **kwargs):
    with pytest.raises(BundleError) as caught:
        check(model, **kwargs)
    message = str(caught.value)
    assert message.startswith("decoder.onnx is refused: ") and "\n" not in message
    return message


def external(tensor):
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return tensor


def a_tensor():
    return numpy_helper.from_array(np.ones(2, np.float32), "w")


def in_initializer(model):
    external(model.graph.initializer[0])


def in_attribute(model):
    model.graph.node.append(helper.make_node("Constant", [], ["c"], value=external(a_tensor())))


def in_tensor_list(model):
    node = helper.make_node("Constant", [], ["c"])
    node.attribute.add(name="values", type=onnx.AttributeProto.TENSORS).tensors.append(
        external(a_tensor())
    )
    model.graph.node.append(node)


def in_subgraph(model):
    branch = helper.make_graph([], "branch", [], [], [external(a_tensor())])
    model.graph.node.append(
        helper.make_node("If", ["q"], ["c"], then_branch=branch, else_branch=branch)
    )


def in_function(model):
    node = helper.make_node("Constant", [], ["c"], value=external(a_tensor()))
    model.functions.append(
        helper.make_function("evil", "f", [], ["c"], [node], [helper.make_opsetid("", 18)])
    )


def in_sparse_initializer(model):
    model.graph.sparse_initializer.add().values.CopyFrom(external(a_tensor()))


def in_sparse_attribute(model):
    node = helper.make_node("Constant", [], ["c"])
    node.attribute.add(name="s", type=11).sparse_tensor.values.CopyFrom(external(a_tensor()))
    model.graph.node.append(node)


def in_training_graph(model):
    model.training_info.add().initialization.initializer.append(external(a_tensor()))


HIDING_PLACES = [
    in_initializer,
    in_attribute,
    in_tensor_list,
    in_subgraph,
    in_function,
    in_sparse_initializer,
    in_sparse_attribute,
    in_training_graph,
]


def test_good_graphs_pass():
    check(GOOD)


@pytest.mark.parametrize("hide", HIDING_PLACES)
def test_external_data_is_refused_wherever_it_hides(hide):
    model = tiny_bundle.graph("decoder")
    hide(model)
    assert "is not allowed" in refusal(model) or "another file" in refusal(model)


def test_external_location_without_external_entries_is_refused():
    model = tiny_bundle.graph("decoder")
    model.graph.initializer[0].data_location = TensorProto.EXTERNAL
    assert "in another file" in refusal(model)


def test_unknown_domain_is_refused():
    model = tiny_bundle.graph("decoder")
    model.opset_import.append(helper.make_opsetid("evil", 1))
    assert "imports operator domain 'evil'" in refusal(model)
    del model.opset_import[-1]
    model.graph.node[0].domain = "evil"
    assert "operator 'evil.Identity'" in refusal(model)


def test_only_listed_operators_of_the_runtime_domain_pass():
    model = tiny_bundle.graph("decoder")
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    model.graph.node.append(helper.make_node("EPContext", ["z"], ["e"], domain="com.microsoft"))
    assert "operator 'com.microsoft.EPContext'" in refusal(model)


def test_subgraphs_are_refused():
    model = tiny_bundle.graph("decoder")
    inner = helper.make_graph([helper.make_node("Run", [], ["r"], domain="evil")], "b", [], [])
    model.graph.node.append(helper.make_node("If", ["q"], ["c"], then_branch=inner))
    assert "field 6 (g), which is not allowed" in refusal(model)


def test_opset_must_be_the_manifests():
    assert "uses opset 18; the manifest says 17" in refusal(GOOD, opset=17)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "noise"},
        {"dtype": "int64"},
        {"axes": ["batch_size", 3]},
        {"axes": ["n", 2]},
        {"axes": [1, 2]},
        {"axes": ["batch_size"]},
    ],
)
def test_ports_must_be_the_manifests(change):
    port = INTERFACE.inputs[0].model_copy(update=change)
    assert "input" in refusal(GOOD, interface=INTERFACE.model_copy(update={"inputs": [port]}))


def test_an_additional_output_is_refused():
    fewer = INTERFACE.model_copy(update={"outputs": INTERFACE.outputs[:1]})
    assert "its outputs are image, parameters; the manifest says image" in refusal(
        GOOD, interface=fewer
    )


def test_a_field_given_twice_is_refused():
    """Readers disagree about which of two values counts, so the one that was checked might not."""
    assert "two values of graph" in refusal(GOOD + onnx.ModelProto(graph={}).SerializeToString())


def test_every_truncation_is_refused():
    for end in range(len(GOOD)):
        refusal(GOOD[:end])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_noise_is_refused_and_never_crashes(data):
    refusal(data)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
@example(159, 90)  # turns a number into packed ones that are none
def test_an_altered_byte_is_refused_or_changes_no_structure(position, flip):
    """Weights and names may change unseen (their sha256 is checked); structure may not."""
    altered = bytearray(GOOD)
    altered[position] ^= flip
    try:
        check(bytes(altered))
    except BundleError:
        return
    model = onnx.load_from_string(bytes(altered))
    assert {node.domain for node in model.graph.node} == {""}
    assert not any(tensor.external_data for tensor in model.graph.initializer)
