"""GANs trained end to end by recipe on the embedded digits."""

import csv
import json

import pytest

import zoo
from export.evaluation import evaluate
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume

RECIPE = {
    "name": "tiny-gan",
    "summary": "Tiny",
    "model": {
        "family": "gan",
        "image_shape": [8, 8, 1],
        "channels": [3, 4],
        "latent_dim": 3,
        "classes": 10,
        "r1": 0.5,
        "discriminator_steps": 2,
        "learning_rate_ratio": 2.0,
    },
    "data": {"name": "digits", "limit": 72, "validation": 30},
    "train": {"epochs": 3, "batch_size": 32, "learning_rate": 2e-3, "beta_1": 0.5, "ema": 0.9},
    "evaluate": {"samples": 40, "validation_samples": 30},
}


def recipe(**tables) -> zoo.Recipe:
    return zoo.Recipe.parse(
        RECIPE | {name: RECIPE[name] | values for name, values in tables.items()}
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return zoo.train(recipe(), tmp_path_factory.mktemp("runs") / "whole")


def test_a_run_leaves_samples_and_a_log_of_how_varied_they_were(run):
    assert run.finished and run.steps == 9
    assert len(list((run.workdir / "samples").glob("*.png"))) == 3
    rows = list(csv.DictReader((run.workdir / "history.csv").open()))
    assert {"val_loss", "coverage", "diversity", "real_logit"} <= rows[0].keys()
    assert min(float(row["val_loss"]) for row in rows) == pytest.approx(run.best_validation_loss)


def test_two_optimizers_take_their_own_number_of_steps_at_their_own_rate():
    task, model = recipe().task(), recipe().build()
    task.compile(model, total_steps=100)
    generator, discriminator = model.optimizers
    assert float(discriminator.learning_rate) == pytest.approx(2 * float(generator.learning_rate))
    assert generator.use_ema and not discriminator.use_ema
    model.fit(task.training_batches(0), steps_per_epoch=2, epochs=1, verbose=0)
    assert (int(generator.iterations), int(discriminator.iterations)) == (2, 4)


def test_what_is_kept_as_best_is_what_validated_best(run):
    again = recipe().task().validation(zoo.from_workdir(run.workdir))()
    assert again["val_loss"] == pytest.approx(run.best_validation_loss, rel=1e-5)


@pytest.mark.long
def test_resuming_is_bit_equal_to_never_stopping(run, tmp_path, monkeypatch):
    stop_and_resume(recipe(), tmp_path / "run", monkeypatch, step=4)
    assert_same_run(run.workdir, tmp_path / "run")


def test_the_evaluation_names_its_judge_and_its_floor(run):
    metrics = {metric.name: metric for metric in evaluate(run.workdir)}
    assert metrics["fcd"].judge == "pixels" and metrics["fcd"].floor > 0
    assert metrics["fcd"].samples == 30
    assert "label_agreement" not in metrics  # pixels know no labels
    saved = json.loads((run.workdir / "metrics.json").read_text())["metrics"]
    assert [metric["name"] for metric in saved] == list(metrics)


@pytest.mark.long
def test_a_lesson_is_taken_by_a_fresh_classifier(run):
    model, task = zoo.from_workdir(run.workdir), recipe().task()
    settings = recipe(evaluate={"lesson": 40}).evaluate
    metric = task.evaluate(model, settings, run.workdir / "figures")[-1]
    assert metric.name == "transfer_accuracy" and 0 <= metric.value <= 1
    assert (metric.samples, metric.test_samples) == (40, 72)


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"data": {"binarize": True}}, "a GAN draws grey levels"),
        ({"model": {"classes": 0}, "evaluate": {"lesson": 9}}, "can only learn from labelled"),
        ({"evaluate": {"samples": 1}}, "samples"),
    ],
)
def test_bad_recipes(tables, message):
    with pytest.raises(zoo.UsageError, match=message):
        recipe(**tables)


def test_a_judge_that_is_not_there(tmp_path):
    with pytest.raises(zoo.UsageError, match=r"there is no judge 'mnits'; did you mean 'mnist'"):
        zoo.train(recipe(evaluate={"judge": "mnits"}), tmp_path / "run")
    assert not list(tmp_path.iterdir())
