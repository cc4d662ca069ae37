"""A run goes on with the data that it began with, wherever they lie by then."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

import zoo
from serving.errors import UsageError
from zoo.training.workdir import WorkDir

TINY = {
    "model.channels": [4],
    "model.hidden": [8],
    "model.latent_dim": 2,
    "data.validation": 16,
    "train.batch_size": 32,
    "train.epochs": 1,
}


def photos(root, count=64, size=(28, 28)):
    for index in range(count):
        root.mkdir(parents=True, exist_ok=True)
        picture = np.random.RandomState(index).randint(0, 255, size, "uint8")
        Image.fromarray(picture).save(root / f"{index}.png")
    return root


def train(name, workdir, *, resume=False, **changes):
    changes = {"data.name": str(name)} | changes
    return zoo.train("vae-digits", workdir, overrides=TINY | changes, devices="cpu", resume=resume)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished run on a folder that was given by a relative path."""
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "photos")
    assert train("./photos", tmp_path / "run").finished
    return tmp_path / "run"


@pytest.mark.long
def test_a_run_is_not_resumed_on_other_data(run, tmp_path):
    name = json.loads((run / "training.json").read_text())["dataset"]
    photos(tmp_path / "photos", 65)
    with pytest.raises(
        UsageError, match=rf"data of .*run were {name} \(sha256 .*\) and are now fol"
    ):
        train("./photos", run, resume=True)
    shutil.rmtree(tmp_path / "photos")
    photos(tmp_path / "photos")
    assert train("./photos", run, resume=True).finished


def test_a_run_is_resumed_when_its_data_were_touched_or_moved(run, tmp_path):
    for file in (tmp_path / "photos").iterdir():
        os.utime(file, ns=(0, 0))
    assert train("./photos", run, resume=True).finished
    (tmp_path / "photos").rename(tmp_path / "pictures")
    assert train("folder:pictures", run, resume=True).finished
    assert WorkDir(run).read_recipe().data.name == "folder:pictures"
    with pytest.raises(UsageError, match=r"data\.name was 'folder:pictures' and is now 'digits'"):
        train("digits", run, resume=True)


def test_a_state_that_says_nothing_of_its_data_is_refused(run, tmp_path):
    with np.load(run / "state.npz") as saved:
        values = dict(saved) | {"data": np.array("folder/photos")}
    np.savez(run / "state.npz", **values)
    with pytest.raises(zoo.GenzooError, match="cannot be restored"):
        train("./photos", run, resume=True)


def test_a_run_finds_its_data_from_any_folder(run, tmp_path, monkeypatch):
    written = zoo.Recipe.load(run / "recipe.toml")
    assert written.data.name == "./photos"  # as it was given
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    found = WorkDir(run).read_recipe()
    assert found.data.name == str(tmp_path / "photos")
    assert found.changed({"data.name": "./photos"}) == written
    shutil.move(tmp_path / "photos", "photos")  # gone from there: looked for from here
    assert WorkDir(run).read_recipe() == written


def test_what_a_recipe_names_by_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "recipe.toml").write_text("")
    changes = {"train.initial_weights": "runs", "evaluate.judge": "runs", "data.name": "./photos"}
    assert zoo.Recipe.load("dcgan-mnist", changes).places() == {
        "data.name": tmp_path / "photos",
        "train.initial_weights": tmp_path / "runs",
        "evaluate.judge": tmp_path / "runs",
    }
    assert zoo.Recipe.load("dcgan-mnist", {"train.initial_weights": "dcgan-mnist"}).places() == {}
    text = zoo.Recipe.load("gpt-python-topics", {"data.name": "book.TXT"})
    assert text.places() == {"data.name": tmp_path / "book.TXT"}
