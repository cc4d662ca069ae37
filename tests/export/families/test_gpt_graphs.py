"""The graph of a Transformer: as Keras, token by token as all at once, and free of litter."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from export import ExportError
from export.families.gpt import GPTExporter, graph_step
from export.families.gpt_graphs import feeds, graphs, static
from export.graph.converter import convert
from export.graph.precision import reduce_precision
from export.proof import saved_model
from export.proof.linter import lint
from export.proof.parity import LIMIT, prove, prove_sensitive, runner
from tests.zoo.transformer import tiny_gpt

STEPS = 200
KINDS = ("gpt-2", "grouped", "layer norm without bias")  # together every choice of the config


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_as_keras_at_every_batch_and_length(kind):
    spec = graphs(tiny_gpt.model(kind))[0]
    graph = convert(spec)
    lint(graph, spec)
    run = runner(graph)
    assert prove(run, spec) < LIMIT / 10
    prove_sensitive(run, spec)
    assert len(graph.graph.node) < 160  # 2 layers; 247 to 268 as the converter leaves them


@pytest.mark.long
@pytest.mark.parametrize("context", [1, 2, 4])
def test_a_window_of_few_tokens(context):
    model = tiny_gpt.model("grouped", context=context)
    portable = graphs(model)[0]
    for spec in (portable, static(portable, model)):
        graph = convert(spec)
        lint(graph, spec)
        assert prove(runner(graph), spec) < LIMIT / 10
        prove_sensitive(runner(graph), spec)


@pytest.fixture(scope="module")
def long():
    """A model whose window holds 200 tokens, and its graph."""
    model = tiny_gpt.model("grouped", context=STEPS)
    spec = graphs(model)[0]
    return model, spec, convert(spec)


def test_200_tokens_one_by_one_are_200_tokens_at_once(long):
    _, spec, graph = long
    step = graph_step(spec, {"model": runner(graph)})
    ids = tiny_gpt.ids(3, STEPS)
    mask, places = np.ones_like(ids), np.tile(np.arange(STEPS), (3, 1))
    expected, _ = step(ids, mask, places, None)
    past, logits = None, []
    for at in range(STEPS):
        now = slice(at, at + 1)
        one, past = step(ids[:, now], mask[:, : at + 1], places[:, now], past)
        logits.append(one)
    np.testing.assert_allclose(np.concatenate(logits, axis=1), expected, atol=1e-4)


def test_padding_on_the_left_changes_nothing(long):
    model, _, graph = long
    run, ids = runner(graph), tiny_gpt.ids(4, 20)
    for padding in (1, 7, 19):
        padded = run(feeds(model, ids, 0, padding))["logits"][:, padding:]
        alone = run(feeds(model, ids[:, padding:], 0))["logits"]
        np.testing.assert_allclose(padded, alone, atol=1e-5)


def test_a_cache_that_is_not_read_is_found(long):
    model, spec, graph = long
    run = runner(graph)
    exporter = object.__new__(GPTExporter)
    exporter.graphs, exporter.config = [spec], model.config
    exporter.prove({"model": run})

    def forgetful(inputs):
        return run({name: 0 * value if "past" in name else value for name, value in inputs.items()})

    with pytest.raises(ExportError, match="200 tokens one by one differ from all at once by"):
        exporter.prove({"model": forgetful})


def test_a_saved_model_has_the_same_names(tmp_path):
    spec = graphs(tiny_gpt.model("llama"))[0]
    saved_model.write([spec], tmp_path / "saved")
    signatures = saved_model.load(tmp_path / "saved")
    assert set(signatures) == {"serving_default", "decode"}
    assert prove(signatures["serving_default"], spec) < 1e-5


@pytest.mark.filterwarnings("ignore")  # it will move to a package of its own
@pytest.mark.parametrize(
    "kind", [KINDS[0], *(pytest.param(kind, marks=pytest.mark.long) for kind in KINDS[1:])]
)
def test_tensorflow_lite_takes_a_saved_model(tmp_path, kind):
    [spec] = graphs(tiny_gpt.model(kind))
    saved_model.write([spec], tmp_path / "saved")
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path / "saved"))
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    run = interpreter.get_signature_runner("serving_default")
    for count in (1, 3):
        inputs = spec.sample(count, 0)
        found = run(**inputs)
        for name, value in spec.run(inputs).items():
            np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("variant", "limit"), [("fp16", 2e-2), ("int8", 0.5)])
def test_fewer_bits_are_near(long, variant, limit):
    model, spec, graph = long
    real = [feeds(model, tiny_gpt.ids(8, 20, seed), past) for seed in (0, 1) for past in (0, 10)]
    reduced = reduce_precision(graph, variant, lambda: real)
    lint(reduced, spec)
    assert prove(runner(reduced), spec, limit=limit) > 0


@pytest.mark.long
@pytest.mark.parametrize("kind", tiny_gpt.MODELS)
def test_matrices_out_of_the_conversion_give_the_same_bytes(kind):
    [spec] = graphs(tiny_gpt.model(kind))
    assert len(spec.matrices) > 8
    whole = convert(replace(spec, matrices=())).SerializeToString()
    assert convert(spec).SerializeToString() == whole
