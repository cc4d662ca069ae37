"""Families of other packages, installed as a user's would be, go every road of the house.

Not one line of `serving`, `zoo` or `export` knows them.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
PACKAGES = ("chiptunes", "codebook")
MOST_LINES = 500
ROW = r"^\| `([\w/.]+)` \|.*\| (\d+)(?: lines)? \|$"
PAGE = ROOT / "docs" / "extending.md"
STOPPED = """
import sys, keras, zoo
from zoo.recipe import Recipe

class Stop(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == 3:
            import signal
            signal.raise_signal(signal.SIGTERM)

recipe = Recipe.load(sys.argv[1], quick=True).completed()
task = type(recipe.task())
task.callbacks = lambda self, history: [Stop()]
assert not zoo.train(recipe, sys.argv[2]).finished
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Install the packages beside, and return what runs command lines in an empty folder."""
    place, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("work")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    install += ["--no-build-isolation", "--target", str(place)]
    for package in PACKAGES:  # copies, as building leaves its files in the sources
        source = tmp_path_factory.mktemp("sources") / package
        subprocess.run(["cp", "-r", HERE / package, source], check=True)
        subprocess.run([*install, str(source)], check=True, capture_output=True)
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(place), str(ROOT)]),
        "GENZOO_HOME": str(folder / "home"),
    }

    def run(*lines: str) -> list[dict]:
        (folder / "lines.json").write_text(json.dumps([line.split() for line in lines]))
        command = [sys.executable, "-m", "tests.packages.commands", "lines.json"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        results = json.loads(done.stdout)
        assert results[-1]["code"] == 0 and len(results) == len(lines), results[-1]
        return results

    def python(code: str, *words: str) -> None:
        command = [sys.executable, "-c", code, *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

    run.folder, run.python = folder, python
    return run


def test_the_page_says_how_long_each_file_is():
    rows = re.findall(ROW, PAGE.read_text(), re.MULTILINE)
    folder = ROOT / "tests/packages/chiptunes"
    for name, lines in rows:
        (found,) = folder.rglob(name.replace("NAME", "*"))
        assert (name, len(found.read_text().splitlines())) == (name, int(lines))
    assert len(rows) == 8


@pytest.mark.parametrize("package", PACKAGES)
def test_how_many_lines_a_package_takes(package, record_property):
    listed = subprocess.run(["git", "ls-files", HERE / package], capture_output=True, text=True,
                            cwd=ROOT, check=True).stdout.split()  # fmt: skip
    lines = sum(len((ROOT / name).read_text().splitlines()) for name in listed)
    print(f"{package}: {lines} lines")
    record_property("lines", lines)
    assert package != "chiptunes" or lines < MOST_LINES


def test_a_family_with_content_of_its_own(shell):
    shell.python(STOPPED, "chiptune", "stopped")
    *_, listed, bench = shell(
        "train chiptune --quick --workdir stopped --resume",
        "train chiptune --quick --workdir whole",
        "evaluate whole --quick",
        "export whole --out b --formats onnx --variants fp32,fp16,int8",
        "verify b",
        "card b",
        "generate b -n 3 --seed 7 --out first.json",
        "generate b -n 3 --seed 7 --out tune.wav",
        "vary b first.json --seed 1 --out second.json",
        "evaluate b --quick",
        "publish b --to release",
        "list --index release --family chiptune",
        "bench b --batch 1 --seconds 0.01",
    )
    assert "chiptune" in listed["out"] and "patterns/s" in bench["out"]
    folder = shell.folder
    resumed, whole = (np.load(folder / run / "state.npz") for run in ("stopped", "whole"))
    assert all((resumed[name] == whole[name]).all() for name in whole.files)
    assert (folder / "tune.wav").read_bytes().startswith(b"RIFF")
    assert json.loads((folder / "first.json").read_text()) != json.loads(
        (folder / "second.json").read_text()
    )
    page = (folder / "release/index.html").read_text().replace("</span> <span>", " ")
    assert "Chiptunes" in page and "genzoo generate chiptune" in page
    card = (folder / "b/README.md").read_text()
    assert "genzoo vary chiptune PATTERNS" in card and "samples.png" in card


@pytest.mark.long
def test_a_composite_of_two_trained_parts(shell):
    folder = shell.folder
    shell("train codes-digits --quick --workdir runs/codes-digits")
    shell.python(STOPPED, "prior-digits", "stopped-prior")
    shell(
        "train prior-digits --quick --workdir stopped-prior --resume",
        "train prior-digits --quick --workdir prior",
    )
    (folder / "runs/codes-digits").rename(
        folder / "runs/gone"
    )  # the run keeps what it was built on
    *_, listed, bench = shell(
        "evaluate prior --quick",
        "export prior --out p --formats onnx --variants fp32,fp16",
        "verify p",
        "generate p -n 4 --seed 7 --out digits.png",
        "export p --out again --formats onnx --variants fp32,fp16",
        "publish again --to release-p",
        "list --index release-p",
        "bench p --batch 1 --seconds 0.01",
    )
    assert "prior-digits" in listed["out"] and "images/s" in bench["out"]
    resumed, whole = (np.load(folder / run / "state.npz") for run in ("stopped-prior", "prior"))
    assert all((resumed[name] == whole[name]).all() for name in whole.files)
    manifest = json.loads((folder / "p/bundle.json").read_text())
    assert list(manifest["parts"]) == ["prior", "codes"]
    for name, part in manifest["parts"].items():
        assert part["weights"] == f"{name}.weights.h5" in manifest["files"]
        assert part["provenance"]["dataset"].startswith("digits") and part["license"]
        assert part["provenance"]["packages"]["codebook"]
    again = json.loads((folder / "again/bundle.json").read_text())
    assert again["files"] == manifest["files"]
    assert "Training of `codes`" in (folder / "p/README.md").read_text()
