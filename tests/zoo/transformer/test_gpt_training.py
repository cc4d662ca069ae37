"""A Transformer on the road that every family takes: recipe, run, work directory, evaluation."""

import json

import numpy as np
import pytest

import zoo
from export.evaluation import evaluate
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume

RECIPE = {
    "name": "tiny-gpt",
    "summary": "for tests",
    "model": {
        "family": "transformer",
        "vocabulary_size": 120,
        "context": 16,
        "layers": 1,
        "width": 16,
        "heads": 2,
    },
    "data": {"name": "python_topics", "limit": 5000},
    "train": {
        "epochs": 2,
        "steps_per_epoch": 6,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "ema": 0.5,
    },
    "evaluate": {"limit": 200},
}


def recipe(**train):
    values = RECIPE | {"train": RECIPE["train"] | train}
    return zoo.Recipe.parse(values)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("runs") / "whole"
    return zoo.train(recipe(), path)


def test_a_run_learns_and_leaves_text(run):
    assert run.finished and run.steps == 12
    assert run.best_validation_loss < np.log(120)
    assert len((run.workdir / "samples/epoch_002.txt").read_text(encoding="utf-8")) > 60
    assert zoo.from_workdir(run.workdir).config.context == 16


def test_the_evaluation_agrees_with_what_training_saw(run):
    metrics = {metric.name: metric for metric in evaluate(run.workdir)}
    assert metrics["nats_per_character"].samples == 199
    assert 0 < metrics["nats_per_character"].value < np.log(120)
    saved = json.loads((run.workdir / "metrics.json").read_text())["metrics"]
    assert [metric["name"] for metric in saved] == list(metrics)


def test_resuming_is_bit_equal_to_never_stopping(run, tmp_path, monkeypatch):
    stop_and_resume(recipe(), tmp_path / "run", monkeypatch, step=4)
    assert_same_run(run.workdir, tmp_path / "run")


def test_the_tokenizer_is_kept_and_another_text_is_refused(run, tmp_path):
    kept = zoo.Recipe.parse(RECIPE).task()
    kept.keep(tmp_path)
    file = tmp_path / "tokenizer.json"
    assert file.read_bytes() == (run.workdir / "tokenizer.json").read_bytes()
    file.write_bytes(file.read_bytes().replace(b'"a"', b'"\xc2\xb5"'))
    with pytest.raises(zoo.UsageError, match="bring the text back that the run began with"):
        kept.keep(tmp_path)


def test_a_run_whose_batches_are_divided_learns_the_same(run, tmp_path):
    divided = zoo.train(recipe(accumulate=2), tmp_path / "run", devices="cpu:2")
    assert divided.steps == run.steps
    assert divided.best_validation_loss == pytest.approx(run.best_validation_loss, rel=1e-4)


def test_more_parts_than_the_devices_have_examples_are_refused(tmp_path):
    with pytest.raises(zoo.UsageError, match="4 examples for 2 devices in 4 parts each; change"):
        zoo.train(recipe(accumulate=4), tmp_path / "run", devices="cpu:2")


def test_a_vocabulary_of_another_size_is_refused(tmp_path):
    values = RECIPE | {"model": RECIPE["model"] | {"vocabulary_size": 50}}
    with pytest.raises(zoo.UsageError, match=r"set model\.vocabulary_size=120"):
        zoo.train(zoo.Recipe.parse(values), tmp_path / "run")
    assert not list(tmp_path.iterdir())
