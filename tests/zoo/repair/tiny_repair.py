"""The recipe and the model of a tiny network that repairs, for the tests of the family."""

from pathlib import Path

import numpy as np

import zoo
from zoo.repair import RepairConfig, Repairer

RECIPE = {
    "name": "tiny-repairer",
    "summary": "for tests",
    "model": {
        "family": "repair",
        "channels": [6, 8, 8],
        "depth": 1,
        "adversarial_weight": 0.01,
        "feature_weight": 0.1,
        "discriminator_channels": [4, 6],
    },
    "data": {"name": "", "patch": 16, "validation": 3, "views": [1.0, 2.0]},
    "train": {
        "epochs": 2,
        "steps_per_epoch": 4,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "ema": 0.5,
    },
}


def recipe(place: Path, **changes) -> zoo.Recipe:
    """Return the recipe with other values, keys having `__` for the dot."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return zoo.Recipe.parse(RECIPE).changed({"data.name": str(place)} | keys)


def model(**changes) -> Repairer:
    """Return a model of the same weights each time, which changes much."""
    table = {key: value for key, value in RECIPE["model"].items() if key != "family"}
    made = Repairer(RepairConfig(**(table | changes)))
    random = np.random.RandomState(0)
    for variable in made.variables:  # singular vectors of the discriminator too
        variable.assign(random.normal(0, 0.2, variable.shape))
    return made
