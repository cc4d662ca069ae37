"""Runs that are stopped on the way and resumed, shared by the tests of every family."""

import csv
from pathlib import Path

import numpy as np

import zoo
from zoo.training.callbacks.progress import Interruption


def stop_and_resume(recipe: zoo.Recipe, workdir: Path, monkeypatch, step: int) -> None:
    """Train until `step` steps are done, as a signal would stop the run, then to the end."""
    original = Interruption.on_train_batch_end

    def stop(self, batch, logs=None):
        if int(self.model.optimizer.iterations.numpy()) == step:
            self.received = 15
        original(self, batch, logs)

    monkeypatch.setattr(Interruption, "on_train_batch_end", stop)
    stopped = zoo.train(recipe, workdir)
    assert not stopped.finished and stopped.steps == step
    monkeypatch.undo()
    assert zoo.train(recipe, workdir, resume=True).finished


def assert_same_run(first: Path, second: Path) -> None:
    """Compare the whole state of two finished runs, and the weights that ship, bit for bit.

    Both have validated every epoch, and found the same.
    """
    assert validated(first) == validated(second)
    states = [np.load(path / "state.npz") for path in (first, second)]
    for key in states[0].files:
        np.testing.assert_array_equal(states[0][key], states[1][key], err_msg=key)
    models = [zoo.from_workdir(path) for path in (first, second)]
    for expected, found in zip(*(model.variables for model in models), strict=True):
        np.testing.assert_array_equal(expected.numpy(), found.numpy())


def validated(workdir: Path) -> list[tuple[str, str]]:
    """Return each epoch that the history has, and what it was validated by."""
    with (workdir / "history.csv").open(newline="") as file:
        return [(row["epoch"], row["val_loss"]) for row in csv.DictReader(file)]
