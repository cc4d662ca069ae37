"""Low-rank adapters: what is trained, what stays, what ships, and what is refused."""

import numpy as np
import pytest
from keras import layers

import zoo
from serving.errors import GenzooError, UsageError
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from tests.zoo.training.test_training import TINY as TINY_VAE
from tests.zoo.transformer import tiny_gpt
from tests.zoo.transformer.test_gpt_training import recipe
from zoo.training.lora import file
from zoo.training.lora.layers import adapted, capable, enable, fingerprint
from zoo.training.optimizers import Muon
from zoo.transformer import GPT, GPTConfig

LORA = {
    "train.epochs": 2,
    "train.steps_per_epoch": 6,
    "train.lora": 3,
    "train.lora_alpha": 6.0,
    "train.learning_rate": 0.05,
    "train.ema": 0.5,
}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A finished run on text; read only."""
    path = tmp_path_factory.mktemp("runs") / "base"
    return zoo.train(recipe(epochs=1, steps_per_epoch=3), path).workdir


def adapting(base, **changes):
    named = {f"train.{key}": value for key, value in changes.items()}
    return zoo.fine_tuning(base, LORA | named)


@pytest.fixture(scope="module")
def run(base, tmp_path_factory):
    return zoo.train(adapting(base), tmp_path_factory.mktemp("runs") / "lora").workdir


def kernels(workdir):
    model = zoo.from_workdir(workdir)
    return {path: layer.weights[0].numpy() for path, layer in capable(model).items()}


def changes_of(workdir):
    described, factors = file.load(workdir / "best.adapter.npz")
    scale = described.alpha / described.rank
    return {name: scale * (first @ second) for name, (first, second) in factors.items()}


@pytest.mark.long
def test_what_ships_is_the_base_and_the_change_that_is_kept_beside_it(base, run):
    before, after, changes = kernels(base), kernels(run), changes_of(run)
    assert changes.keys() == {"block_0/attention/project", "block_0/attention/merge"}
    for name in before:
        change = changes.get(name, 0.0)
        np.testing.assert_allclose(after[name], before[name] + change, atol=1e-6)
        assert np.any(before[name] != after[name]) == (name in changes)
    models = [zoo.from_workdir(each) for each in (base, run)]
    for ours, theirs in zip(*(model.non_trainable_weights for model in models), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    described, factors = file.load(run / "best.adapter.npz")
    assert (described.base, described.base_weights) == ("tiny-gpt", fingerprint(models[0]))
    assert (described.rank, described.targets) == (3, ("project", "merge"))
    assert {array.dtype for pair in factors.values() for array in pair} == {np.dtype("float32")}


def test_it_learns(base, run):
    before, after = (
        zoo.training.workdir.WorkDir(each).read_record()["best_validation_loss"]
        for each in (base, run)
    )
    assert after < before - 0.01


def test_resuming_is_bit_equal_to_never_stopping(base, run, tmp_path, monkeypatch):
    stop_and_resume(adapting(base), tmp_path / "run", monkeypatch, step=4)
    assert_same_run(run, tmp_path / "run")
    ours, theirs = changes_of(run), changes_of(tmp_path / "run")
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.long
@pytest.mark.parametrize("changes", [{"accumulate": 2}, {"precision": "mixed_bfloat16"}])
def test_several_devices_and_other_precisions_train_the_same(base, run, tmp_path, changes):
    devices = "cpu:2" if "accumulate" in changes else "cpu"
    other = zoo.train(adapting(base, **changes), tmp_path / "run", devices=devices).workdir
    near = {"accumulate": 2e-3, "precision": 0.2}[next(iter(changes))]
    ours, theirs = changes_of(run), changes_of(other)
    for name, change in ours.items():
        assert np.abs(change - theirs[name]).max() < near * np.abs(change).max()
    # What ships is not rounded: merged and apart it is the same.
    before, after = kernels(base), kernels(other)
    for name, change in theirs.items():
        np.testing.assert_allclose(after[name], before[name] + change, atol=1e-6)
    assert np.any(theirs["block_0/attention/merge"] != ours["block_0/attention/merge"])


def test_an_adapter_can_learn_from_a_teacher(base, run, tmp_path):
    taught = adapting(base, teacher=str(run), teacher_weight=1.0, epochs=1)
    workdir = zoo.train(taught, tmp_path / "run").workdir
    before, after, changes = kernels(base), kernels(workdir), changes_of(workdir)
    for name, change in changes.items():
        np.testing.assert_allclose(after[name], before[name] + change, atol=1e-6)
        assert np.any(change)
    again = zoo.fine_tuning(workdir).train
    assert (again.lora, again.teacher, again.teacher_weight) == (0, None, None)


def test_what_is_made_of_parts_is_not_adapted_at_once(base):
    with pytest.raises(UsageError, match="train with prune first, and go on from that run with lo"):
        adapting(base, prune="taylor")


def test_a_run_goes_on_from_an_adapted_one_as_a_whole(run, tmp_path):
    tuned = zoo.fine_tuning(run, {"train.epochs": 1})
    assert tuned.train.lora == 0
    result = zoo.train(tuned, tmp_path / "run")
    assert not (result.workdir / "best.adapter.npz").exists()


def test_the_rate_is_that_of_the_model_as_the_change_begins_anew(base):
    own = zoo.Recipe.load(base / "recipe.toml").train.learning_rate
    for anew in ({"train.lora": 2}, {"train.prune": "taylor"}):
        assert zoo.fine_tuning(base, anew).train.learning_rate == own
    assert zoo.fine_tuning(base).train.learning_rate == pytest.approx(0.1 * own)


def test_muon_leaves_the_factors_to_adam():
    model = tiny_gpt.model()
    enable(model, 2, ["attention"], None)
    optimizer = Muon()
    optimizer.build(model.trainable_variables)
    assert len(model.trainable_variables) == 8
    assert all(optimizer._should_use_adamw(each) for each in model.trainable_variables)


def test_targets_are_layers_or_what_they_lie_in():
    model = tiny_gpt.model()
    enable(model, 2, ["block_1", "contract"], alpha=4.0)
    names = [each.name for each in adapted(model)]
    assert names == ["block_0/feed_forward/contract"] + [
        f"block_1/{each}"
        for each in (
            "attention/merge", "attention/project", "feed_forward/contract", "feed_forward/expand",
        )
    ]  # fmt: skip
    assert {each.scale for each in adapted(model)} == {2.0}


def test_an_embedding_can_be_adapted():
    model = tiny_gpt.model()
    before = model(tiny_gpt.ids(2, 5)).numpy()
    enable(model, 2, ["token_embedding"], None)
    [layer] = adapted(model)
    layer.second.assign(np.full(layer.second.shape, 0.1, np.float32))
    after = model(tiny_gpt.ids(2, 5)).numpy()
    plain = tiny_gpt.model()
    plain.token_embedding.embeddings.assign(layer.merged(lambda variable: variable.numpy()))
    np.testing.assert_allclose(plain(tiny_gpt.ids(2, 5)), after, rtol=1e-5, atol=1e-5)
    assert np.abs(after - before).max() > 0.1


@pytest.mark.long
def test_dense_layers_of_a_vae_are_adapted(tmp_path):
    overrides = TINY_VAE | {"train.epochs": 1}
    start = zoo.train("vae-digits", tmp_path / "base", overrides=overrides).workdir
    changes = {"train.lora": 2, "train.lora_targets": ["encoder", "expand"]}
    tuned = zoo.train(zoo.fine_tuning(start, changes), tmp_path / "run").workdir
    before, after = (zoo.from_workdir(each) for each in (start, tuned))
    changed = [
        np.any(ours.numpy() != theirs.numpy())
        for ours, theirs in zip(after.weights, before.weights, strict=True)
    ]
    _, factors = file.load(tuned / "best.adapter.npz")
    dense = [isinstance(capable(after)[name], layers.Dense) for name in factors]
    assert 2 <= sum(dense) <= len(factors) == sum(changed) < len(changed)


def test_every_network_that_is_trained_needs_something_to_train():
    changes = {"train.lora": 2, "train.initial_weights": "cgan-mnist", "train.lora_targets": "x"}
    changes |= {"train.lora_targets": ["generator"], "data.name": "digits"}
    recipe = zoo.Recipe.load("cgan-mnist", changes, quick=True)
    model = recipe.build()
    enable(model, 2, recipe.train.lora_targets, None)
    model.compile("sgd", "sgd")
    with pytest.raises(UsageError, match="leaves a network without anything to train; name layers"):
        zoo.training.lora.layers.check_trained(model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora": -1}, "key 'train.lora' is -1"),
        ({"lora": 257}, "key 'train.lora' is 257"),
        ({"lora_targets": []}, "key 'train.lora_targets' is"),
        ({"lora_alpha": 0}, "key 'train.lora_alpha' is 0"),
    ],
)
def test_values_that_mean_nothing_are_refused(base, changes, message):
    with pytest.raises(UsageError, match=message):
        adapting(base, **changes)


def test_there_must_be_weights_to_change():
    with pytest.raises(UsageError, match=r"lora 8 is a change of weights that are there, and none"):
        zoo.Recipe.load("gpt-python-topics", {"train.lora": 8})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora_targets": ["projct"]}, "'projct', and no layer .* so; did you mean 'project'"),
        ({"lora": 17}, "train.lora is 17, and block_0/attention/project has a rank"),
    ],
)
def test_layers_that_there_are_not_are_refused(base, tmp_path, changes, message):
    with pytest.raises(UsageError, match=message):
        zoo.train(adapting(base, **changes), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_damaged_adapters_are_refused(run, tmp_path):
    data = (run / "best.adapter.npz").read_bytes()
    for broken in (b"", data[: len(data) // 2], b"x" + data[1:]):
        (tmp_path / "broken.npz").write_bytes(broken)
        with pytest.raises(GenzooError, match="is no adapter that can be read") as caught:
            file.load(tmp_path / "broken.npz")
        assert "\n" not in str(caught.value)


def test_rank_8_of_30_layers_of_width_576_is_less_than_3_megabytes():
    config = GPTConfig(vocabulary_size=9, layers=1, width=576, heads=9, kv_heads=3)
    model = GPT(config)
    enable(model, 8, ["project", "merge"], None)
    assert 30 * sum(4 * np.prod(each.shape) for each in model.trainable_variables) < 3_000_000
