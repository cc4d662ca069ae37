"""A tiny model of tiny videos, for the tests of the family."""

import numpy as np

import zoo
from tests.zoo.codes import tiny_codes
from zoo.video import Video

RECIPE = {
    "name": "tiny-video",
    "summary": "for tests",
    "model": {
        "family": "video_prediction",
        "codes": "runs/codes",
        "layers": 1,
        "width": 16,
        "heads": 2,
    },
    "data": {"name": "moving-digits", "count": 60, "validation": 20, "test": 20},
    "train": {
        "epochs": 2,
        "steps_per_epoch": 3,
        "batch_size": 20,
        "learning_rate": 1e-2,
        "ema": 0.5,
    },
}
SIZES = {"grid": (4, 4), "numbers": 2, "levels": 4}
CODES = {
    "model__image_shape": [16, 16, 1],
    "model__levels": [4, 4],
    "data__name": "moving-digits",
    "train__epochs": 2,
}


def recipe(codes, **changes) -> zoo.Recipe:
    """Return the recipe with a run of codes and other values, keys having `__` for the dot."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return zoo.Recipe.parse(RECIPE).changed({"model.codes": str(codes)} | keys)


def codes_recipe(**changes) -> zoo.Recipe:
    """Return the recipe of the codes of frames."""
    return tiny_codes.recipe(**(CODES | changes))


def model(**changes) -> Video:
    """Return a model of the same weights each time."""
    made = Video({**RECIPE["model"], **SIZES, **changes})
    random = np.random.RandomState(0)
    for variable in made.trainable_variables:
        variable.assign(random.normal(0, 0.2, variable.shape))
    return made


def batch(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return what a model learns from."""
    random = np.random.RandomState(seed)
    numbers = random.randint(SIZES["levels"], size=(count, 5, 32)).astype(np.int32)
    return numbers[:, :-1], numbers[:, -1]
