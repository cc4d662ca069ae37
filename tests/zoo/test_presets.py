"""Published weights become the Keras model that they were exported from."""

import shutil

import numpy as np
import pytest

import serving
import zoo
from serving.catalogue import MODELS, models
from serving.errors import GenzooError
from serving.music.composer import emptied
from serving.text.sampling_config import SamplingConfig
from zoo.music.writer import composer
from zoo.transformer.writer import writer

IMAGES = [name for name, entry in models().items() if entry.family in ("vae", "gan")]
TEXTS = [name for name, entry in models().items() if entry.family == "transformer"]
MUSIC = [name for name, entry in models().items() if entry.family == "music"]


@pytest.mark.parametrize("name", IMAGES)
def test_a_preset_draws_what_its_bundle_draws(name):
    model = zoo.from_preset(name)
    labels = list(range(4)) if model.config.classes else None
    served = serving.load(name, device="cpu").generate(4, labels=labels, seed=3)
    ours = model.generate(4, labels=labels, seed=3)
    assert np.abs(ours.astype(int) - served.astype(int)).max() <= 1


@pytest.mark.parametrize("name", TEXTS)
def test_a_preset_writes_what_its_bundle_writes(name):
    model = writer(zoo.from_preset(name), (MODELS / name / "tokenizer.json").read_bytes())
    served = serving.load(name, device="cpu")
    for seed in (3, 4):
        assert model.generate("The ", 20, seed=seed) == served.generate("The ", 20, seed=seed)


@pytest.mark.parametrize("name", MUSIC)
def test_a_preset_composes_what_its_bundle_composes(name):
    settings = SamplingConfig(temperature=0.9)
    [ours] = composer(zoo.from_preset(name)).compose(emptied(16), 84, 1, 3, settings)
    served = serving.load(name, device="cpu").generate(1, seed=3, temperature=0.9, top_p=1.0)
    np.testing.assert_array_equal(ours.notes, served.notes)


def test_altered_weights_are_not_even_parsed(tmp_path, monkeypatch):
    name = next(iter(models()))
    installed = shutil.copytree(MODELS / name, tmp_path / "zoo/models" / name)
    weights = installed / "model.weights.h5"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    monkeypatch.setattr("serving.catalogue.INDEX", tmp_path / "serving/catalogue/index.json")
    with pytest.raises(GenzooError, match="altered"):
        zoo.from_preset(name)
    weights.unlink()
    with pytest.raises(GenzooError, match="is missing"):
        zoo.from_preset(installed)
