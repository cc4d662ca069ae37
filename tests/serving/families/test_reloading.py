"""A loaded model can be pickled and copied: it is loaded again."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest

import serving
from serving.errors import GenzooError
from serving.families.gpt import GPT

FRESH = """
import pickle, sys
text = pickle.load(sys.stdin.buffer).generate("abc", 5, seed=1)
sys.stdout.buffer.write(text.encode())
"""


def test_another_process_writes_the_same_text(text, monkeypatch):
    monkeypatch.chdir(text.parent)  # the other process starts elsewhere
    model = serving.load(text.name, device="cpu", threads=1, spinning=False)
    data, expected = pickle.dumps(model), model.generate("abc", 5, seed=1)
    monkeypatch.chdir("/")
    done = subprocess.run([sys.executable, "-c", FRESH], input=data, capture_output=True)
    assert done.stdout.decode("utf-8") == expected, done.stderr


def test_a_copy_draws_the_same_images_with_the_same_options(tiny):
    model = serving.load(tiny, device="cpu", variant="fp16", threads=1)
    again = copy.deepcopy(model)
    assert again is not model and again.origin.keywords == model.origin.keywords
    assert (again.variant, again.device, again.threads) == ("fp16", "cpu", 1)
    np.testing.assert_array_equal(again.generate(2, seed=7), model.generate(2, seed=7))


def test_a_model_of_the_catalogue_is_known_by_its_name(catalogued):
    model = serving.load("tiny", device="cpu")
    assert (
        model.origin.args[0] == "tiny" and pickle.loads(pickle.dumps(model)).manifest.name == "tiny"
    )


def test_what_cannot_be_loaded_again_says_so_in_one_line(text):
    model = serving.load(text, device="cpu")
    for value in (model.sessions["model"], GPT.__new__(GPT)):
        with pytest.raises(GenzooError, match="be pickled") as caught:
            pickle.dumps(value)
        assert "\n" not in str(caught.value)
