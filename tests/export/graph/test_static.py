"""Static Transformers: as the portable ones with a cache that grows, and no size left open."""

import numpy as np
import onnx
import onnxruntime
import pytest

from export import ExportError
from export.families.gpt_graphs import feeds, graphs, static
from export.graph.converter import OPSET, convert
from export.graph.precision import IN_PLACE, reduce_precision
from export.proof.linter import lint
from export.proof.parity import LIMIT, prove, prove_sensitive, runner
from serving.families.gpt_graph import GraphStep
from serving.graphs.scan import check_graph
from serving.runtime.fixed import FixedSession, cut, enlarged
from serving.runtime.session import Session
from serving.runtime.shared_memory import SharedMemory
from serving.text.growing import GrowingMemory
from tests.serving.elsewhere import Elsewhere
from tests.serving.text.alike import assert_alike, assert_one_is_alike
from tests.zoo.transformer import tiny_gpt

CONTEXT, VOCABULARY = tiny_gpt.SIZES["context"], tiny_gpt.SIZES["vocabulary_size"]


def made(kind):
    """A model, what is known of its portable and its static graph, and both graphs."""
    model = tiny_gpt.model(kind)
    [portable] = graphs(model)
    fixed = static(portable, model)
    return model, portable, fixed, convert(portable), convert(fixed)


@pytest.mark.long
@pytest.mark.parametrize("kind", tiny_gpt.MODELS)
def test_every_kind_is_as_keras_and_as_the_portable_graph(kind):
    _, portable, fixed, one, other = made(kind)
    lint(other, fixed)
    check_graph(other.SerializeToString(), "model", fixed.interface, OPSET)
    run = runner(other)
    assert prove(run, fixed) < LIMIT / 10
    prove_sensitive(run, fixed)
    for seed, (count, past) in enumerate([(1, 0), (4, 0), (3, 5), (1, CONTEXT - 3)]):
        inputs = feeds_of(portable, count, past, seed)
        given = enlarged(inputs, portable.interface, fixed.fixed)
        found = cut(run(given), inputs, portable.interface, fixed.fixed)
        for name, wanted in runner(one)(inputs).items():
            np.testing.assert_allclose(found[name], wanted, atol=1e-5, err_msg=name)
    assert len(other.graph.node) <= len(one.graph.node) + 2  # axes of the rotary tables


def feeds_of(spec, count, past, seed):
    """Three tokens after `past` others."""
    model = spec.call.args[0]
    return feeds(model, tiny_gpt.ids(count, past + 3, seed), past)


@pytest.fixture(scope="module")
def grouped():
    return made("grouped")


@pytest.mark.parametrize("length", [1, 4])
def test_a_number_for_batch_and_sequence_fixes_every_size(grouped, length):
    """As for an NPU: ONNX Runtime then knows the size of every output before anything is run."""
    options = onnxruntime.SessionOptions()
    options.add_free_dimension_override_by_name("batch_size", 2)
    options.add_free_dimension_override_by_name("sequence_length", length)
    session = onnxruntime.InferenceSession(
        grouped[4].SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    for port in (*session.get_inputs(), *session.get_outputs()):
        assert all(isinstance(axis, int) for axis in port.shape), port
    assert session.get_outputs()[0].shape == [2, length, VOCABULARY]


# --- one cache, written in place ---


def memories(grouped, count, kind=Session):
    """The memory that grows, of the portable graph, and the shared one, of the static graph."""
    _, portable, fixed, one, other = grouped
    padded = Session(one.SerializeToString(), "model", "cpu", 1)
    shared = kind(other.SerializeToString(), "model", "cpu", 1)
    return (
        GrowingMemory(GraphStep(portable.interface, padded.run), count, CONTEXT),
        SharedMemory(shared, fixed.interface, count, CONTEXT),
    )


@pytest.mark.parametrize("kind", [Session, Elsewhere])
def test_texts_are_read_and_written_on_in_place(grouped, kind):
    assert_alike(*memories(grouped, 3, kind), VOCABULARY)
    assert_one_is_alike(*memories(grouped, 1, kind), VOCABULARY)


def test_a_cache_written_in_place_is_the_one_that_is_copied(grouped):
    """The same numbers to the last bit, whether past and present are one buffer or two."""
    _, portable, fixed, _, graph = grouped
    session = Session(graph.SerializeToString(), "model", "cpu", 1)
    inputs = enlarged(feeds_of(portable, 2, 4, seed=3), portable.interface, fixed.fixed)
    names = [port.name for port in fixed.outputs]
    expected = dict(zip(names, session.run(names, inputs), strict=True))
    outputs = {"logits": np.empty_like(expected["logits"])} | {
        name: inputs[name.replace("present", "past_key_values")] for name in names[1:]
    }
    session.bind(inputs, outputs).run()
    for name in names:
        np.testing.assert_array_equal(outputs[name], expected[name])


def test_a_session_of_fixed_sizes_runs_as_the_portable_graph(grouped):
    _, portable, fixed, one, other = grouped
    session = FixedSession(
        other.SerializeToString(),
        "model",
        "cpu",
        interface=portable.interface,
        sizes=fixed.fixed,
    )
    inputs = feeds_of(portable, 2, 4, seed=3)
    expected = runner(one)(inputs)
    for name in ("logits", "present.1.value"):
        (found,) = session.run([name], inputs)
        np.testing.assert_allclose(found, expected[name], atol=1e-5)


# --- in fewer bits ---


@pytest.mark.parametrize(("precision", "limit"), [("fp16", 2e-2), ("int8", 0.5)])
def test_fewer_bits_are_near_and_the_cache_is_written_in_place(grouped, precision, limit):
    model, portable, fixed, _, graph = grouped
    read = [feeds(model, tiny_gpt.ids(8, 10, seed), past) for seed in (0, 1) for past in (0, 5)]
    real = [enlarged(inputs, portable.interface, fixed.fixed) for inputs in read]
    reduced = reduce_precision(graph, precision, lambda: real)
    lint(reduced, fixed)
    assert prove(runner(reduced), fixed, limit=limit) > 0
    written = {
        (node.input[0], node.output[0]) for node in reduced.graph.node if node.op_type in IN_PLACE
    }
    pasts = [port.name for port in fixed.inputs[3:]]
    assert written == {(name, name.replace("past_key_values", "present")) for name in pasts}


# --- what the linter refuses ---


def with_nodes(grouped, *nodes, **constants):
    """The static graph with more nodes, which nothing reads."""
    graph = onnx.ModelProto.FromString(grouped[4].SerializeToString())
    graph.graph.node.extend(onnx.helper.make_node(*node[:-1], **node[-1]) for node in nodes)
    for name, values in constants.items():
        graph.graph.initializer.append(onnx.numpy_helper.from_array(np.array(values), name))
    return graph


def refusal(grouped, *nodes, **constants):
    with pytest.raises(ExportError) as caught:
        lint(with_nodes(grouped, *nodes, **constants), grouped[2])
    return str(caught.value)


def test_an_operator_that_asks_for_a_size(grouped):
    node = ("Shape", ["input_ids"], ["size"], "asks", {})
    assert "Shape at node 'asks' asks for a size" in refusal(grouped, node)


def test_parts_of_several_sizes(grouped):
    cache = grouped[2].outputs[1].name
    split = ("Split", [cache, "sizes"], ["a", "b"], "parts", {"axis": 2})
    complaint = refusal(grouped, split, sizes=[4, CONTEXT - 4])
    assert "Split at node 'parts' has parts of several sizes" in complaint
    lint(with_nodes(grouped, ("Split", ["logits"], ["a"], "one", {"num_outputs": 1})), grouped[2])


def test_a_cache_that_somebody_else_reads(grouped):
    cache = grouped[2].inputs[3].name
    node = ("Relu", [cache], ["other"], "other", {})
    assert f"cannot write into '{cache}' in place" in refusal(grouped, node)


def test_a_tensor_as_large_as_numbers_say(grouped):
    nodes = [
        ("ReduceSum", ["position_ids"], ["sum"], "sum", {"keepdims": 0}),
        ("Reshape", ["sum", "all"], ["shape"], "list", {}),
        ("Expand", ["one", "shape"], ["loose"], "loose", {}),
    ]
    complaint = refusal(grouped, *nodes, all=[-1], one=1.0)
    assert "the size of 'loose' cannot be known beforehand" in complaint
