"""What several tests of the export share."""

import keras
import pytest

import zoo
from tests.export.toys import SIZE


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
