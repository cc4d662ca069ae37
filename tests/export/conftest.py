"""What several tests of the export share."""

import keras
import pytest

import zoo
from export import publish
from tests.export.graph.toys import SIZE
from tests.serving import tiny_bundle, tiny_text_bundle


@pytest.fixture(scope="session")
def dense():
    """A layer from 5 to 5 values whose weights are none of them zero."""
    layer = keras.layers.Dense(SIZE, bias_initializer=keras.initializers.RandomNormal(seed=2))
    layer.build((None, SIZE))
    return layer


@pytest.fixture(scope="session")
def workdir(tmp_path_factory):
    """A finished run on scikit-learn's digits; read only."""
    path = tmp_path_factory.mktemp("runs") / "digits"
    overrides = {
        "model.hidden": [16],
        "model.latent_dim": 4,
        "train.epochs": 1,
        "data.limit": 64,
        "data.validation": 64,
    }
    zoo.train("vae-digits", path, overrides=overrides, quick=True)
    return path


@pytest.fixture(scope="session")
def bundles(tmp_path_factory):
    """Three bundles: of images in two variants, of images with classes, of text; read only."""
    folder = tmp_path_factory.mktemp("bundles")
    return [
        tiny_bundle.write_bundle(folder / "one", variants=("fp32", "fp16")),
        tiny_bundle.write_bundle(folder / "two", conditional=True, name="conditional"),
        tiny_text_bundle.write_bundle(folder / "three"),
    ]


@pytest.fixture(scope="session")
def release(bundles, tmp_path_factory):
    """What publishing these bundles gives; read only."""
    return publish(bundles, tmp_path_factory.mktemp("releases") / "release")
