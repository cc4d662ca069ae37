"""A network that enlarges on the road of every family: patches, run, exact resume, evaluation."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zoo
from export.evaluation import evaluate
from serving.errors import UsageError
from serving.photographs import bicubic
from tests.zoo.restoration.tiny_restoration import draw, folder, recipe
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from zoo.data.folder import hash_split
from zoo.restoration.data import Photographs, PhotographsConfig


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("data") / "photographs")


def photographs(place, scale=3, channels=1, **changes):
    settings = {"name": str(place), "patch": 8, "validation": 3}
    return Photographs(PhotographsConfig(**(settings | changes)), scale, channels)


@pytest.mark.parametrize(("scale", "channels"), [(2, 1), (3, 3)])
def test_patches_are_cut_from_photographs_and_from_the_same_made_smaller(place, scale, channels):
    data = photographs(place, scale, channels)
    smaller, larger = next(iter(data.training_batches(40, seed=1)))
    assert smaller.shape == (40, 8, 8, channels)
    assert larger.shape == (40, 8 * scale, 8 * scale, channels)
    wholes = [data._levels(pixels) for pixels in data.pictures("train")]
    smalls = [data._levels(bicubic.shrink(each, scale)) for each in data.pictures("train")]
    found = set()
    for small, large in zip(np.rint(smaller * 255), np.rint(larger * 255), strict=True):
        for turn in range(8):
            at = _found(_laid(small, turn), smalls)
            if at is not None:
                picture, row, column = at
                rows = slice(row * scale, (row + 8) * scale)
                columns = slice(column * scale, (column + 8) * scale)
                if np.array_equal(wholes[picture][rows, columns], _laid(large, turn)):
                    found.add(turn)
                    break
        else:
            pytest.fail("a patch is of no photograph")
    assert len(found) == 8  # all ways to lay a square


def _laid(patch, turn):
    patch = np.rot90(patch, turn % 4)
    return patch[:, ::-1] if turn >= 4 else patch


def _found(patch, pictures):
    for index, picture in enumerate(pictures):
        windows = np.lib.stride_tricks.sliding_window_view(picture, patch.shape[:2], (0, 1))
        same = np.all(windows == patch.transpose(2, 0, 1), axis=(2, 3, 4))
        if same.any():
            return index, *np.argwhere(same)[0]
    return None


def test_batches_depend_on_the_seed_and_the_step_alone(place):
    data = photographs(place)
    first = [each[0].numpy() for each in data.training_batches(3, seed=5).take(4)]
    later = next(iter(data.training_batches(3, seed=5, start=3)))[0]
    np.testing.assert_array_equal(first[3], later)
    other = next(iter(data.training_batches(3, seed=6)))[0]
    assert np.any(other != first[0]) and np.any(first[1] != first[0])


def test_parts_share_no_photograph(place):
    data = photographs(place)
    parts = {part: data.pictures(part) for part in ("train", "validation", "test")}
    kept = [pixels.tobytes() for pictures in parts.values() for pixels in pictures]
    assert len(kept) == len({*kept}) == 12 and len(parts["validation"]) == 3
    small, large = data.validation_examples()
    assert large.shape[1] == 3 * small.shape[1]
    assert data.source.license.startswith("not stated")


def test_some_folders_alone_are_learned_from(tmp_path):
    for name in ("train", "val"):
        folder(tmp_path / name, 4)
    data = photographs(tmp_path, folders=("train",), validation=1)
    assert sum(data.source.splits.values()) == 4
    with pytest.raises(UsageError, match="holds 0 photographs in tests; expected three at least"):
        photographs(tmp_path, folders=("tests",))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"validation": 30}, "not more than the 30 held out; lower data.validation"),
        ({"name": "/nowhere/at/all"}, "is no folder; expected one of photographs"),
        ({"patch": 40}, "expected 120 at least, or a smaller data.patch"),
        ({"name": "python_topics"}, "holds text; expected a folder of photographs"),
        ({"name": "digits", "folders": ("a",)}, "has no folders"),
    ],
)
def test_what_cannot_be_learned_from_is_one_line(place, changes, said):
    with pytest.raises(UsageError, match=said) as raised:
        photographs(place, **changes).training_batches(2, seed=0)
    assert "\n" not in str(raised.value)


@pytest.mark.long
def test_a_run_that_stops_goes_on_as_if_it_had_not(place, tmp_path, monkeypatch):
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    zoo.train(recipe(place), whole)
    stop_and_resume(recipe(place), parted, monkeypatch, step=3)
    assert_same_run(whole, parted)
    assert Image.open(whole / "samples/epoch_002.png").size[0] > 60
    losses = (whole / "history.csv").read_text().splitlines()[1:]
    assert len(losses) == 2


def test_an_evaluation_has_bicubic_and_the_usual_sets_beside_it(place, tmp_path):
    zoo.train(recipe(place, train__epochs=1), tmp_path / "run")
    (tmp_path / "sets/Set5").mkdir(parents=True)
    for seed in range(2):
        Image.fromarray(draw(31, 44, 90 + seed)).save(tmp_path / f"sets/Set5/{seed}.png")
    overrides = {"evaluate.benchmarks": str(tmp_path / "sets"), "evaluate.limit": 2}
    found = {metric.name: metric for metric in evaluate(tmp_path / "run", overrides=overrides)}
    names = ["psnr", "ssim", "bicubic_psnr", "bicubic_ssim"]
    assert [*found] == names + [f"set5_{name}" for name in names]
    assert found["set5_psnr"].samples == 2 and found["psnr"].better == "higher"
    assert abs(found["psnr"].value - found["bicubic_psnr"].value) < 3
    saved = json.loads((tmp_path / "run/metrics.json").read_text())["metrics"]
    assert [each["name"] for each in saved] == [*found]
    learned, _ = hash_split(sorted(each.name for each in place.iterdir()))
    shutil.copy(place / learned[0], tmp_path / "sets/Set5")
    with pytest.raises(UsageError, match="is among the photographs that the model has learned"):
        evaluate(tmp_path / "run", overrides=overrides)
    with pytest.raises(UsageError, match="holds none of the folders Set5, Set14, BSD100"):
        evaluate(tmp_path / "run", overrides={"evaluate.benchmarks": str(place)})


FLOWERS = Path(os.environ.get("TFDS_DATA_DIR", "")) / "flowers_256"


@pytest.mark.skipif(not FLOWERS.is_dir(), reason="there is no data set flowers_256")
def test_photographs_on_cards_are_by_those_whom_the_data_set_names():
    data = Photographs(PhotographsConfig(name="flowers_256"), 3, 1)
    found = data.credits("validation", 4)
    assert len(found) == 4 and all(line.startswith("CC-BY by ") for line in found)
    assert found[:2] == data.credits("validation", 2)


def test_of_photographs_of_ones_own_nobody_is_named(place):
    assert photographs(place).credits("validation", 4) == []
