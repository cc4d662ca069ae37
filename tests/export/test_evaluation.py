"""A run is measured on the data that it was made for, found from any folder, and on no others."""

import json
import os
import shutil

import pytest

import export
import zoo
from export.evaluation import evaluate
from serving.errors import UsageError
from tests.zoo.training.test_state import photos, train

TEXT = "the cat sat on the mat, and the dog sat on the cat. " * 60
TINY = {
    "model.context": 16,
    "model.layers": 1,
    "model.width": 16,
    "model.heads": 2,
    "model.vocabulary_size": len(set(TEXT)) + 3,
    "train.epochs": 1,
    "train.steps_per_epoch": 2,
    "train.batch_size": 4,
}
FEW = {"evaluate.importance_samples": 2}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with data and runs, given by relative paths; we are in another one."""
    root = tmp_path / "project"
    photos(root / "photos")
    (root / "book.txt").write_text(TEXT)
    monkeypatch.chdir(root)
    train("./photos", "images")
    zoo.train("gpt-shakespeare-nano", "text", overrides=TINY | {"data.name": "book.txt"})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return root


def measure(project):
    evaluate(project / "images", overrides=FEW)
    evaluate(project / "text")


def test_data_are_found_from_another_folder_touched_or_moved(project, tmp_path, monkeypatch):
    measure(project)
    for file in (*(project / "photos").iterdir(), project / "book.txt"):
        os.utime(file, ns=(0, 0))
    measure(project)
    moved = shutil.move(project, tmp_path / "moved")
    monkeypatch.chdir(moved)
    measure(moved)


def test_other_data_under_the_same_name_are_refused(project):
    (project / "book.txt").write_text(TEXT.replace("dog", "god"))  # the same characters
    photos(project / "photos", 65)
    for run in ("images", "text"):
        with pytest.raises(UsageError, match=rf"the data of .*{run} were .* and are now"):
            evaluate(project / run, overrides=FEW if run == "images" else None)
        with pytest.raises(UsageError, match=rf"the data of .*{run} were .* and are now"):
            export.export(project / run, project / "out", formats=["onnx"], variants=["fp16"])
        assert not (project / run / "metrics.json").exists()


def test_a_bundle_names_data_as_the_recipe_did_and_no_folder_of_this_machine(project):
    bundle = export.export(project / "text", project / "out", formats=["onnx"])
    provenance = json.loads((bundle / "bundle.json").read_text())["parts"]["model"]["provenance"]
    assert provenance["recipe"]["data"]["name"] == "book.txt"
    assert str(project) not in (bundle / "bundle.json").read_text()
