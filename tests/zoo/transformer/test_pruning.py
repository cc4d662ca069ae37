"""A smaller Transformer is made of the parts of a larger one that matter."""

import re

import numpy as np
import pytest

import zoo
from serving.errors import UsageError
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from tests.zoo.transformer import tiny_gpt, tiny_runs
from zoo.recipe import TrainConfig
from zoo.training.smaller.pruning import prune
from zoo.transformer import GPT, GPTConfig
from zoo.transformer.pruning import check_parts, scores

ROWS = 3
BATCHES = [tiny_gpt.batch(ROWS, seed=seed) for seed in range(4)]
every_model = pytest.mark.parametrize("kind", [*tiny_gpt.MODELS, "open"])
OPEN = {"kv_heads": 2, "query_key_norm": True, "head_width": 6, "bias": True, "windows": [3, 5]}


def larger(kind: str, **changes) -> GPT:
    if kind == "open":
        return tiny_gpt.model("llama", **OPEN | changes)
    return tiny_gpt.model(kind, **changes)


def smaller(source: GPT, **changes) -> GPT:
    """An untrained model of fewer parts."""
    values = source.config.model_dump() | {"head_width": source.config.head_size}
    return GPT(GPTConfig(**values | changes))


def silence_group(model: GPT, layer: int, group: int) -> None:
    """Set to zero whatever belongs to a group of heads."""
    config, attention = model.config, model.blocks[layer].attention
    kv_heads, size = config.key_value_heads, config.head_size
    shared = config.heads // kv_heads
    heads = list(range(group * shared, (group + 1) * shared))
    kinds = [*heads, config.heads + group, config.heads + kv_heads + group]
    clear(attention.project, columns=[kind * size + i for kind in kinds for i in range(size)])
    clear(attention.merge, rows=[head * size + i for head in heads for i in range(size)])


def silence_unit(model: GPT, layer: int, unit: int) -> None:
    """Set to zero whatever belongs to a hidden unit."""
    network = model.blocks[layer].feed_forward
    columns = [unit, model.config.hidden_width + unit] if network.gated else [unit]
    clear(network.expand, columns=columns)
    clear(network.contract, rows=[unit])


def clear(layer, rows=None, columns=None) -> None:
    """Set rows of the matrix of a layer to zero, or columns of all it has."""
    for variable in layer.variables:
        value = variable.numpy()
        if rows is None:
            value[..., columns] = 0
        elif value.ndim == 2:
            value[rows] = 0
        variable.assign(value)


@every_model
@pytest.mark.parametrize("importance", ["taylor", "magnitude"])
def test_without_what_is_zero_the_logits_are_the_same(kind, importance):
    source = larger(kind)
    config, fewer = source.config, 1 if source.config.key_value_heads > 1 else 0
    for layer, unit in enumerate((7, 0)):
        silence_unit(source, layer, unit)
        if fewer:
            silence_group(source, layer, group=layer)
    shared = config.heads // config.key_value_heads
    target = smaller(
        source,
        heads=config.heads - fewer * shared,
        kv_heads=config.key_value_heads - fewer,
        feed_forward=config.hidden_width - 1,
    )
    target.take_parts(source, "source", importance, BATCHES)
    assert target.num_parameters < source.num_parameters
    ids = tiny_gpt.ids(2, 8)
    np.testing.assert_allclose(target(ids), source(ids), atol=1e-5)


@pytest.mark.parametrize("kind", ["llama", "gpt-2"])
@pytest.mark.parametrize("importance", ["taylor", "magnitude"])
def test_without_layers_that_add_nothing_the_logits_are_the_same(kind, importance):
    source = larger(kind, layers=4)
    for layer in (0, 2):
        block = source.blocks[layer]
        attention, network = block.attention, block.feed_forward
        for dense in (attention.project, attention.merge, network.expand, network.contract):
            clear(dense, columns=slice(None))
    target = smaller(source, layers=2)
    target.take_parts(source, "source", importance, BATCHES)
    ids = tiny_gpt.ids(2, 8)
    np.testing.assert_allclose(target(ids), source(ids), atol=1e-5)


def test_taylor_is_the_derivative_by_a_gate_at_each_part():
    model = larger("gpt-2", kv_heads=2)
    found = scores(model, "taylor", BATCHES[:1])
    block, size = model.blocks[1], model.config.head_size
    merge, contract = block.attention.merge, block.feed_forward.contract
    everything = [*merge.variables, *contract.variables]

    def change(variables, rows) -> float:
        """By how much the loss changes when a gate opens, from -e to e."""
        step, losses = 1e-2, []
        for sign in (1, -1):
            kept = [variable.numpy() for variable in variables]
            for variable in variables:
                value = variable.numpy()
                value[rows] *= 1 + sign * step
                variable.assign(value)
            losses.append(float(model.validation_loss(BATCHES[0])))
            for variable, value in zip(variables, kept, strict=True):
                variable.assign(value)
        return abs(losses[0] - losses[1]) / (2 * step)

    for group in range(2):
        rows = slice(group * 2 * size, (group + 1) * 2 * size)
        by_hand = change([merge.kernel], rows)
        assert found.groups[1, group] == pytest.approx(by_hand, rel=2e-2, abs=1e-4)
    for unit in (0, 5, 63):
        by_hand = change([contract.kernel], unit)
        assert found.units[1, unit] == pytest.approx(by_hand, rel=2e-2, abs=1e-4)
    by_hand = change(everything, slice(None))
    assert found.layers[1] == pytest.approx(by_hand, rel=2e-2, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 24, "head_width": 4}, "whose width is 16 and not 24; only layers, heads, kv_h"),
        ({"normalisation": "layer"}, "whose normalisation is rms and not layer; only layers"),
        ({"head_width": 6}, "whose head_width is 4 and not 6"),
        ({"layers": 3}, "model.layers is 3, and big has 2; expected no more"),
        ({"heads": 8, "kv_heads": 4, "head_width": 4}, "model.heads is 8, and big has 4"),
        ({"feed_forward": 99}, "model.feed_forward is 99, and big has 48"),
        ({"heads": 2, "head_width": 4}, "in big 2 heads share a key head and go with it"),
        ({}, "train.prune leaves out nothing of big"),
    ],
)
def test_what_is_no_part_is_one_line(changes, message):
    source = larger("llama", kv_heads=2)
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        GPT(GPTConfig(**source.config.model_dump() | changes)).take_parts(
            source, "big", "magnitude", []
        )
    assert "\n" not in str(caught.value)


def test_layers_that_differ_and_positions_that_are_learned_stay():
    with pytest.raises(UsageError, match="the layers of big see or count differently"):
        source = larger("open").config
        changes = {"layers": 1, "windows": []}
        check_parts(source.model_copy(update=changes | {"windows": (3, 5)}), source, "big")
    learned = larger("gpt-2").config
    with pytest.raises(UsageError, match="whose context is 12 and not 8"):
        check_parts(learned.model_copy(update={"context": 8, "layers": 1}), learned, "big")


def test_only_transformers_are_pruned_and_only_from_a_larger_one():
    with pytest.raises(UsageError, match="a VAE is not made of parts of a larger one; leave"):
        config = TrainConfig(prune="taylor", initial_weights="vae-mnist")
        prune(zoo.from_preset("vae-mnist"), config, None)
    with pytest.raises(UsageError, match="vae-mnist is a VAE; expected a Transformer"):
        tiny_gpt.model().take_parts(zoo.from_preset("vae-mnist"), "vae-mnist", "taylor", [])
    with pytest.raises(UsageError, match="prune goes with initial_weights; name a model there"):
        TrainConfig.parse({"prune": "taylor"})


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return tiny_runs.trained(tmp_path_factory.mktemp("source"))


SMALL = {"model.layers": 1, "model.heads": 2, "model.feed_forward": 32, "train.prune": "taylor"}


@pytest.mark.long
def test_a_pruned_run_goes_on_learning_and_resumes_bit_for_bit(source, tmp_path, monkeypatch):
    recipe = zoo.fine_tuning(source, SMALL | {"train.teacher": str(source)})
    own = zoo.Recipe.load(source / "recipe.toml").train.learning_rate
    assert recipe.train.learning_rate == own  # where else going on takes a tenth
    whole = zoo.train(recipe, tmp_path / "whole").workdir
    stop_and_resume(recipe, tmp_path / "parts", monkeypatch, step=3)
    assert_same_run(whole, tmp_path / "parts")
    made = zoo.from_workdir(whole)
    assert (made.config.head_size, made.config.heads, made.config.layers) == (4, 2, 1)
    assert made.num_parameters < zoo.from_workdir(source).num_parameters
    again = zoo.fine_tuning(whole)  # of which nothing is taken away again
    assert (again.train.prune, again.train.teacher) == (None, None)


@pytest.mark.long
def test_what_is_kept_is_the_same_on_two_devices(source, tmp_path):
    recipe = zoo.fine_tuning(source, SMALL | {"train.learning_rate": 1e-9, "train.ema": 0.0})
    one, two = (
        zoo.from_workdir(zoo.train(recipe, tmp_path / name, devices=where).workdir)
        for name, where in (("one", "cpu"), ("two", "cpu:2"))
    )
    for ours, theirs in zip(two.get_weights(), one.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    rows = zoo.from_workdir(source).token_embedding.variables[0].numpy()
    np.testing.assert_allclose(one.token_embedding.variables[0], rows, atol=1e-6)


@pytest.mark.long
def test_a_smaller_model_without_prune_says_how_it_can_be_made(source, tmp_path):
    recipe = zoo.fine_tuning(source, {"model.layers": 1})
    with pytest.raises(UsageError, match=r"made of parts of a larger one with train\.prune"):
        zoo.train(recipe, tmp_path / "run")
