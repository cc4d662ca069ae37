"""Fused Transformers: as Keras at every length, and in place as with a cache that grows."""

import numpy as np
import onnx
import pytest

from export import ExportError
from export.families.fusion import fuse
from export.families.gpt_graphs import fused, graphs
from export.graph.converter import OPSET, convert
from export.graph.precision import quantize_weights
from export.proof.linter import lint
from export.proof.parity import prove, runner
from serving.families.gpt_graph import GraphStep
from serving.graphs.scan import check_graph
from serving.runtime.session import Session
from serving.runtime.shared_memory import SharedMemory
from serving.text.growing import GrowingMemory
from tests.serving.text.alike import assert_alike, assert_one_is_alike
from tests.zoo.transformer import tiny_gpt

CONTEXT, VOCABULARY = tiny_gpt.SIZES["context"], tiny_gpt.SIZES["vocabulary_size"]


def made(kind, scale=1.0):
    """A model with heads of 16, what is known of its fused graph, and both graphs."""
    heads = {"heads": 2} if "kv_heads" not in tiny_gpt.MODELS[kind] else {"width": 64}
    model = tiny_gpt.model(kind, **{"width": 32} | heads)
    for variable in model.trainable_variables:
        variable.assign(scale * variable)
    [spec] = graphs(model)
    portable = convert(spec)
    return model, fused(spec, model), portable, fuse(portable, model.config)


@pytest.mark.parametrize("kind", tiny_gpt.MODELS)
def test_every_kind_is_as_keras(kind):
    model, spec, portable, graph = made(kind)
    lint(graph, spec)
    check_graph(graph.SerializeToString(), "model", spec.interface, OPSET)
    assert prove(runner(graph), spec) < 1e-4
    kinds = [node.op_type for node in graph.graph.node]
    assert kinds.count("GroupQueryAttention") == model.config.layers
    assert "Softmax" not in kinds and "Concat" not in kinds
    skips = [name for name in kinds if name.startswith("Skip")]
    assert len(skips) == 2 * model.config.layers + (model.config.positions == "learned")
    assert len(kinds) < 0.5 * len(portable.graph.node)
    read = {name for node in graph.graph.node for name in node.input}
    read |= {output.name for output in graph.graph.output}
    assert {name for node in graph.graph.node for name in node.output if name} <= read


@pytest.fixture(scope="module")
def grouped():
    return made("grouped")


def memories(grouped, count):
    """The memory that grows, of the portable graph, and the shared one, of the fused graph."""
    _, spec, portable, graph = grouped
    sessions = [Session(each.SerializeToString(), "model", "cpu", 1) for each in (portable, graph)]
    growing = GrowingMemory(GraphStep(spec.interface, sessions[0].run), count, CONTEXT)
    return growing, SharedMemory(sessions[1], spec.interface, count, CONTEXT)


def test_texts_are_read_and_written_on_in_place(grouped):
    assert_alike(*memories(grouped, 3), VOCABULARY)
    assert_one_is_alike(*memories(grouped, 1), VOCABULARY)


def test_several_texts_share_the_room_that_one_has_at_first(grouped, monkeypatch):
    monkeypatch.setattr("serving.runtime.shared_memory.ROOM", CONTEXT)
    monkeypatch.setattr("serving.runtime.shared_memory.LEAST", 2)
    (_, alone), (growing, memory) = memories(grouped, 1), memories(grouped, 3)
    one, three = (sum(each.numpy().nbytes for each in m._cache) for m in (alone, memory))
    assert 0.5 * one < three <= one
    assert_alike(growing, memory, VOCABULARY)  # and there is room for all that follow


@pytest.mark.parametrize(("bits", "limit"), [(8, 0.05), (4, 0.6)])
def test_matrices_of_few_bits_are_near_and_rows_do_not_meet(bits, limit):
    _, spec, _, graph = made("grouped", scale=0.5)  # sharp attention would tell rounding apart
    before = graph.SerializeToString()
    reduced = quantize_weights(graph, bits)
    assert graph.SerializeToString() == before
    lint(reduced, spec)
    run = runner(reduced)
    assert prove(run, spec, limit=limit) > 0  # of the largest logit
    inputs = spec.sample(9, 0)
    whole, part = run(inputs), run({name: array[:4] for name, array in inputs.items()})
    np.testing.assert_allclose(whole["logits"][:4], part["logits"], rtol=1e-4, atol=1e-4)


def test_heads_that_the_operator_does_not_take():
    model = tiny_gpt.model("llama")  # heads of 4
    with pytest.raises(ExportError, match="heads are 4 wide"):
        fuse(convert(graphs(model)[0]), model.config)


def test_a_layer_that_is_not_found_is_named(grouped):
    model, _, portable, _ = grouped
    renamed = onnx.ModelProto.FromString(portable.SerializeToString())
    for node in renamed.graph.node:
        node.name = node.name.replace("block_1", "layer_1")
    with pytest.raises(ExportError, match="layer 1 has no matrix 'merge'"):
        fuse(renamed, model.config)
