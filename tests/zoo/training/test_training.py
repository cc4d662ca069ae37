"""Training runs end to end on the embedded digits: resume, signals, guards, what is left behind."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from serving.errors import UsageError
from tests.zoo.training.interrupted import validated
from zoo.training import TrainingError, train
from zoo.training.image_task import ImageTask

TINY = {
    "model.channels": [4],
    "model.hidden": [8],
    "model.latent_dim": 2,
    "data.limit": 72,  # three steps to an epoch, the last one short
    "data.validation": 16,
    "train.batch_size": 32,
    "train.epochs": 3,
}


def run(workdir, *, resume=False, recipe="vae-digits", devices="cpu", **changes):
    overrides = TINY | {key.replace("__", "."): value for key, value in changes.items()}
    return train(recipe, workdir, overrides=overrides, devices=devices, resume=resume)


def state(workdir) -> dict[str, np.ndarray]:
    with np.load(Path(workdir) / "state.npz") as saved:
        return dict(saved)


def stop_after(monkeypatch, steps: int) -> None:
    """Make the process send itself SIGTERM once `steps` steps are done."""
    from zoo.training.callbacks.progress import Progress

    original = Progress.on_train_batch_end

    def on_train_batch_end(self, batch, logs=None):
        original(self, batch, logs)
        if int(self.model.optimizer.iterations.numpy()) == steps:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(Progress, "on_train_batch_end", on_train_batch_end)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    assert run(workdir).finished
    return workdir


def test_the_work_directory_holds_everything(whole):
    expected = {
        "recipe.toml", "best.weights.h5", "last.weights.h5", "state.npz", "history.csv",
        "training.json", "samples", "logs",
    }  # fmt: skip
    assert {path.name for path in whole.iterdir()} == expected
    record = json.loads((whole / "training.json").read_text())
    assert record["steps"] == record["total_steps"] == 9
    assert record["train_seconds"] > 0
    with (whole / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    assert set(rows[0]) == {"epoch", "loss", "reconstruction", "kl", "val_loss"}
    assert float(rows[2]["loss"]) < float(rows[0]["loss"])
    sheets = sorted(path.name for path in (whole / "samples").iterdir())
    assert sheets == ["epoch_001.png", "epoch_002.png", "epoch_003.png"]
    with Image.open(whole / "samples" / sheets[-1]) as sheet:
        assert sheet.size == (8 * 30 - 2, 8 * 30 - 2)


def test_what_is_kept_as_best_is_what_validated_best(whole):
    with (whole / "history.csv").open() as file:
        losses = [float(row["val_loss"]) for row in csv.DictReader(file)]
    assert state(whole)["best"] == pytest.approx(min(losses), rel=1e-6)
    model, task = zoo.from_workdir(whole), zoo.Recipe.load(whole / "recipe.toml").task()
    assert task.validation(model)()["val_loss"] == pytest.approx(min(losses), rel=1e-6)


def test_the_same_seed_gives_the_same_run_and_another_does_not(whole, tmp_path):
    run(tmp_path / "again")
    assert_equal_states(tmp_path / "again", whole)
    run(tmp_path / "other", train__seed=1)
    assert any(
        np.any(state(whole)[key] != value) for key, value in state(tmp_path / "other").items()
    )


@pytest.mark.parametrize(
    "steps",
    [pytest.param(2, marks=pytest.mark.long), 3, pytest.param(4, marks=pytest.mark.long)],
)
def test_resuming_is_bit_equal_to_never_stopping(whole, tmp_path, monkeypatch, steps):
    with monkeypatch.context() as patch:
        stop_after(patch, steps)
        stopped = run(tmp_path / "run")
    assert (stopped.finished, stopped.steps, stopped.signal) == (False, steps, signal.SIGTERM)
    # What belongs to the end of an epoch is done at its end, and neither before it nor never.
    assert (tmp_path / "run/best.weights.h5").exists() == (steps >= 3)
    assert any((tmp_path / "run/samples").iterdir()) == (steps >= 3)
    assert run(tmp_path / "run", resume=True).finished
    assert_equal_states(tmp_path / "run", whole)
    assert validated(tmp_path / "run") == validated(whole)
    for name in ("best.weights.h5", "last.weights.h5"):
        ours, theirs = (zoo.VAE(zoo.Recipe.load(whole / "recipe.toml").model) for _ in range(2))
        ours.load_weights(tmp_path / "run" / name)
        theirs.load_weights(whole / name)
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_steps_per_execution_changes_nothing(whole, tmp_path):
    run(tmp_path / "run", train__steps_per_execution=3)
    assert_equal_states(tmp_path / "run", whole)


@pytest.mark.long
def test_two_devices_train_the_same_model(whole, tmp_path):
    run(tmp_path / "run", devices="cpu:2")
    ours, theirs = state(tmp_path / "run"), state(whole)
    assert ours["best"] == pytest.approx(theirs["best"], rel=1e-4)


def assert_equal_states(one, other):
    ours, theirs = state(one), state(other)
    assert ours.keys() == theirs.keys()
    for key in ours:
        np.testing.assert_array_equal(ours[key], theirs[key], err_msg=key)


@pytest.mark.long
def test_mixed_precision_trains_in_float32(tmp_path):
    run(tmp_path / "run", train__precision="mixed_bfloat16", train__clip_norm=50.0)
    model = zoo.from_workdir(tmp_path / "run")
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    assert np.isfinite(state(tmp_path / "run")["best"])


@pytest.mark.long
def test_a_conditional_convolutional_run_with_augmentation_and_xla(tmp_path):
    changes = {
        "model__architecture": "convolutional", "model__channels": [4], "model__classes": 10,
        "data__flip": True, "data__shift": 2, "train__jit_compile": True, "train__epochs": 1,
    }  # fmt: skip
    assert run(tmp_path / "run", **changes).finished
    with Image.open(tmp_path / "run/samples/epoch_001.png") as sheet:
        assert sheet.size == (10 * 30 - 2, 8 * 30 - 2)


def test_a_model_that_cannot_divide_its_batches_says_so(tmp_path):
    with pytest.raises(UsageError, match=r"train\.accumulate is 2, but a VAE takes each batch"):
        run(tmp_path / "run", train__accumulate=2)
    assert not list(tmp_path.iterdir())


def test_what_a_task_needs_cannot_be_forgotten():
    class Forgetful(ImageTask):
        pass

    with pytest.raises(TypeError, match="abstract method evaluate"):
        Forgetful(zoo.Recipe.load("vae-digits"))


def test_a_batch_too_small_for_the_devices_is_refused(tmp_path):
    with pytest.raises(UsageError, match="smallest batch has 1 examples for 2 devices"):
        run(tmp_path / "run", devices="cpu:2", data__limit=65)
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_a_run_can_go_on_from_the_weights_of_another(whole, tmp_path):
    changes = {"model__objective": "iwae", "model__samples": 3, "model__beta": 1.0, "train__ema": 0}
    run(tmp_path / "run", train__initial_weights=str(whole), train__learning_rate=1e-9, **changes)
    source, tuned = zoo.from_workdir(whole), zoo.from_workdir(tmp_path / "run")
    for before, after in zip(source.get_weights(), tuned.get_weights(), strict=True):
        np.testing.assert_allclose(before, after, atol=1e-6)
    with pytest.raises(UsageError, match=r"do not fit .* table"):
        run(tmp_path / "other", train__initial_weights=str(whole), model__latent_dim=3)


def test_a_loss_that_is_not_finite_stops_the_run_and_says_where(tmp_path):
    with pytest.raises(TrainingError, match=r"became (nan|inf|-inf) by step \d+ .*learning_rate"):
        run(tmp_path / "run", train__learning_rate=1e30, train__optimizer="sgd")


def test_a_directory_may_have_any_name(whole, tmp_path):
    """TensorFlow reads brackets and backslashes as patterns in some places, and not in others."""
    workdir = tmp_path / "a[b]" / r"c\d *?{e}"
    run(workdir, train__epochs=1)
    run(workdir, resume=True, train__epochs=1)
    expected = {path.name for path in whole.rglob("*") if not path.name.startswith(("epoch", "ev"))}
    found = {path.name for path in workdir.rglob("*") if not path.name.startswith(("epoch", "ev"))}
    assert found == expected
    assert len(list((workdir / "logs").rglob("events*"))) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"a[b]"}
    zoo.from_workdir(workdir)


def test_a_directory_of_another_recipe_is_refused(whole):
    with pytest.raises(UsageError, match=r"train\.batch_size was 32 and is now 16"):
        run(whole, resume=True, train__batch_size=16)


def test_a_directory_in_use_is_refused_and_left_alone(whole, tmp_path):
    before = state(whole)
    with pytest.raises(UsageError, match="--resume"):
        run(whole)
    assert state(whole).keys() == before.keys()
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something else"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_damaged_state_is_refused(whole, tmp_path):
    import shutil

    shutil.copytree(whole, tmp_path / "run")
    damaged = tmp_path / "run" / "state.npz"
    damaged.write_bytes(damaged.read_bytes()[:-200])
    with pytest.raises(zoo.GenzooError, match="cannot be restored"):
        run(tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    "mistake",
    [
        {"data__name": "no_such_data"},
        {"train__initial_weights": "no/such/run"},
        {"model__activation": "rleu"},
    ],
)
def test_a_mistake_leaves_nothing_behind(tmp_path, mistake):
    with pytest.raises(zoo.GenzooError):
        run(tmp_path / "run", **mistake)
    assert not (tmp_path / "run").exists()


@pytest.mark.long
def test_the_command_saves_on_a_signal_and_goes_on(tmp_path):
    """A real process, a real SIGINT, and the exit code that shells expect."""
    command = [
        sys.executable, "-c", "from zoo.cli import app; app()", "train", "vae-digits", "--quick",
        "--workdir", str(tmp_path / "run"), "--set", "train.epochs=2000",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run/state.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGINT, errors
    assert "--resume" in output
    assert (tmp_path / "run/state.npz").exists()
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]
