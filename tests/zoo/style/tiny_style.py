"""Photographs and paintings that are drawn, and the recipe of a tiny network, for tests."""

from pathlib import Path

import numpy as np

import zoo
from tests.zoo.restoration.tiny_restoration import folder
from zoo.style import Restyler, StyleConfig

MODEL = {"width": 4, "blocks": 1, "style": 6, "predictor": [4, 8], "features": "random"}
RECIPE = {
    "name": "tiny-painter",
    "summary": "for tests",
    "model": {"family": "restyling"} | MODEL,
    "data": {"name": "", "paintings": "", "patch": 32, "validation": 3, "crops": 12, "same": 0.3},
    "train": {
        "epochs": 2,
        "steps_per_epoch": 4,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "ema": 0.5,
    },
    "evaluate": {"pairs": 3, "steps": 2, "side": 32},
}


def folders(path: Path) -> tuple[Path, Path]:
    """Fill a folder with photographs, and another with paintings."""
    return folder(path / "photographs"), folder(path / "paintings", 8)


def recipe(places: tuple[Path, Path], **changes) -> zoo.Recipe:
    """Return the recipe with other values, keys having `__` for the dot."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    found = {"data.name": str(places[0]), "data.paintings": str(places[1])}
    return zoo.Recipe.parse(RECIPE).changed(found | keys)


def model(**changes) -> Restyler:
    """Return a model of the same weights each time, in which style matters."""
    made = Restyler(StyleConfig.parse({"family": "restyling"} | MODEL | changes, "the model"))
    random = np.random.RandomState(0)
    for variable in made.trainable_variables:
        variable.assign(random.normal(0, 0.2, variable.shape))
    return made
