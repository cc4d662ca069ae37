"""A network that repairs on the road of every family: patches, run, exact resume, evaluation."""

import json

import numpy as np
import pytest
from PIL import Image

import zoo
from export.evaluation import evaluate
from serving.errors import UsageError
from serving.photographs.tasks import TASKS
from tests.zoo.repair.tiny_repair import recipe
from tests.zoo.restoration.tiny_restoration import draw, folder
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from zoo.repair.data import RepairDataConfig, RepairPhotographs, scaled


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("data") / "photographs")


@pytest.fixture(scope="module")
def whole(place, tmp_path_factory):
    """A run that nothing stopped; read only but for its metrics."""
    path = tmp_path_factory.mktemp("runs") / "whole"
    zoo.train(recipe(place, train__steps_per_epoch=2), path)
    return path


def photographs(place, **changes):
    settings = {"name": str(place), "patch": 16, "validation": 3}
    return RepairPhotographs(RepairDataConfig(**(settings | changes)), TASKS)


def test_patches_are_of_photographs_and_degraded_for_each_task(place):
    data = photographs(place, views=(1.0, 2.0))
    inputs, real = next(iter(data.training_batches(8, seed=1)))
    assert inputs["image"].shape == real.shape == (8, 16, 16, 3)
    assert inputs["mask"].shape == (8, 16, 16, 1)
    np.testing.assert_array_equal(inputs["task"], [0, 1, 2, 3] * 2)
    image, mask, real = inputs["image"].numpy(), inputs["mask"].numpy()[..., 0], real.numpy()
    for at in range(8):
        assert mask[at].any() == (TASKS[at % 4] == "inpaint")
        assert 0 < np.abs(image - real)[at].mean() < 0.5
    assert np.ptp(image[[1, 5]], axis=-1).max() == 0  # grey
    wholes = [view for pixels in data.pictures("train") for view in data.views(pixels)]
    for patch in np.rint(real * 255):
        assert _found(patch, wholes) or _found(patch[:, ::-1], wholes)


def _found(patch, pictures):
    for picture in pictures:
        windows = np.lib.stride_tricks.sliding_window_view(picture, patch.shape[:2], (0, 1))
        if np.all(windows == patch.transpose(2, 0, 1), axis=(2, 3, 4)).any():
            return True
    return False


def test_batches_depend_on_the_seed_and_the_step_alone(place):
    data = photographs(place)
    first = [each[0]["image"].numpy() for each in data.training_batches(3, seed=5).take(4)]
    later = next(iter(data.training_batches(3, seed=5, start=3)))[0]["image"]
    np.testing.assert_array_equal(first[3], later)
    other = next(iter(data.training_batches(3, seed=6)))[0]["image"]
    assert np.any(other != first[0]) and np.any(first[1] != first[0])


def test_views_are_of_the_sizes_that_are_said_and_none_is_larger_than_the_photograph(place):
    data = photographs(place, views=(1.0, 2.0, 8.0))
    assert [min(view.shape[:2]) for view in data.views(draw(40, 60, 0))] == [16, 32, 40]
    assert scaled(draw(40, 60, 0), 20).shape == (20, 30, 3)
    inputs, real = data.validation_examples()
    assert real.shape == (12, 16, 16, 3) and [*inputs["task"][:4]] == [0, 1, 2, 3]
    with pytest.raises(UsageError, match=r"expected 64 at least, or a smaller data\.patch"):
        photographs(place, patch=64).validation_examples()


@pytest.mark.long
def test_a_run_that_stops_goes_on_as_if_it_had_not(place, whole, tmp_path, monkeypatch):
    parted = tmp_path / "parted"
    stop_and_resume(recipe(place, train__steps_per_epoch=2), parted, monkeypatch, step=3)
    assert_same_run(whole, parted)
    head, *losses = (whole / "history.csv").read_text().splitlines()
    assert len(losses) == 2 and {"error", "discriminator_loss", "val_loss"} <= {*head.split(",")}
    assert Image.open(whole / "samples/epoch_002.png").size[0] > 60


@pytest.mark.long
def test_what_is_learned_is_worth_something(tmp_path):
    """Of flat pictures it is soon known what was in a hole, and what is noise."""
    flat = tmp_path / "flat"
    flat.mkdir()
    for at in range(8):
        colour = np.random.RandomState(at).randint(60, 196, 3)
        Image.fromarray(np.full((24, 24, 3), colour, np.uint8)).save(flat / f"{at}.png")
    off = {"model__adversarial_weight": 0.0, "model__feature_weight": 0.0}
    off["model__tasks"] = ["inpaint", "denoise"]
    zoo.train(recipe(flat, train__epochs=4, train__steps_per_epoch=25, **off), tmp_path / "run")
    head, *rows = (tmp_path / "run/history.csv").read_text().splitlines()
    at = head.split(",").index("val_loss")
    losses = [float(row.split(",")[at]) for row in rows]
    assert losses[-1] < 0.8 * losses[0]


def test_an_evaluation_has_plain_ways_and_a_judge_beside_it(whole, tmp_path):
    classes = tmp_path / "classes"
    for name, shade in (("dark", 4), ("light", 1)):
        for at in range(6):
            (classes / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(draw(16, 16, at) // shade).save(classes / name / f"{at}.png")
    table = {"image_shape": [16, 16, 3], "classes": 2, "channels": [4], "features": 4}
    judge = {
        "name": "tiny-judge",
        "summary": "for tests",
        "model": {"family": "classifier", **table},
        "data": {"name": str(classes), "validation": 2},
        "train": {"epochs": 1, "batch_size": 4},
    }
    zoo.train(zoo.Recipe.parse(judge), tmp_path / "judge")
    overrides = {"evaluate.judge": str(tmp_path / "judge"), "evaluate.limit": 2}
    found = {metric.name: metric for metric in evaluate(whole, overrides=overrides)}
    ways = {"deblur": ("", "plain_", "blind_")}
    names = [
        f"{size}{task}_{way}{score}"
        for size in ("", "large_")
        for task in TASKS
        for way in ways.get(task, ("", "plain_"))
        for score in ("psnr", "ssim")
    ]
    names += [f"{task}_{way}agreement" for task in TASKS for way in ("", "degraded_")]
    assert [*found] == ["psnr", *names]
    assert all(each.better == "higher" for each in found.values())
    mean = np.mean([found[f"{task}_psnr"].value for task in TASKS])
    assert found["psnr"].value == pytest.approx(mean)
    saved = json.loads((whole / "metrics.json").read_text())["metrics"]
    assert [each["name"] for each in saved] == [*found]
    with pytest.raises(UsageError, match="expected one of images of 16x16x3"):
        evaluate(whole, overrides={"evaluate.judge": "mnist"})
