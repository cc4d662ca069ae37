"""Tiny codes of tiny images, for the tests of the family and of its priors."""

import numpy as np

import zoo
from zoo.codes import Codes, CodesConfig

RECIPE = {
    "name": "tiny-codes",
    "summary": "for tests",
    "model": {
        "family": "image_codes",
        "image_shape": [8, 8, 1],
        "channels": [16, 16],
        "levels": [4, 3],
    },
    "data": {"name": "digits", "validation": 50, "limit": 200},
    "train": {"epochs": 4, "batch_size": 20, "learning_rate": 1e-2, "ema": 0.5},
}


def recipe(**changes) -> zoo.Recipe:
    """Return the recipe with other values, keys having `__` for the dot."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return zoo.Recipe.parse(RECIPE).changed(keys)


def model(**changes) -> Codes:
    """Return a model of the same weights each time, which tells different images apart."""
    sizes = {"image_shape": (8, 8, 1), "channels": (16, 16), "levels": (4, 3)}
    made = Codes(CodesConfig(**(sizes | changes)))
    random = np.random.RandomState(0)
    for variable in made.trainable_variables:
        variable.assign(random.normal(0, 0.2, variable.shape))
    return made


def images(count: int, shape: tuple[int, int, int] = (8, 8, 1), seed: int = 0) -> np.ndarray:
    """Return images of noise, float32 in [0, 1]."""
    return np.random.RandomState(seed).random_sample((count, *shape)).astype(np.float32)
