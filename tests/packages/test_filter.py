"""A filter of another package, installed as a user's would be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import serving
from tests.serving import tiny_bundle

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Install the package beside, and return what runs a command line in an empty folder."""
    place, folder = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("work")
    source = tmp_path_factory.mktemp("sources") / "blank"
    subprocess.run(["cp", "-r", HERE / "blank", source], check=True)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    install += ["--no-build-isolation", "--target", str(place), str(source)]
    subprocess.run(install, check=True, capture_output=True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(place), str(ROOT)])}

    def run(*words):
        (folder / "lines.json").write_text(json.dumps([[str(word) for word in words]]))
        command = [sys.executable, "-m", "tests.packages.commands", "lines.json"]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)[0]

    run.folder = folder
    return run


def test_it_looks_at_every_picture(shell):
    tiny = tiny_bundle.write_bundle(shell.folder / "tiny")
    images = serving.load(tiny, device="cpu").generate(8, seed=7)
    darkest = int(np.floor(images.mean((1, 2, 3)).min()))
    asked = ["generate", "tiny", "-n", "8", "--seed", "7", "--device", "cpu", "--out"]
    assert shell(*asked, "a.png", "--filter", f"dark:{darkest}")["code"] == 0
    refused = shell(*asked, "b.png", "--filter", f"dark:{darkest + 1}")
    assert refused["code"] == 2 and refused["err"].count("\n") == 1
    assert "the filter 'dark' refuses the image: it is too dark" in refused["err"]
    assert (shell.folder / "a.png").exists() and not (shell.folder / "b.png").exists()
    unset = shell(*asked, "b.png", "--filter", "dark")
    assert unset["code"] == 2 and "expected a level" in unset["err"]
