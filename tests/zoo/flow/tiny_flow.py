"""A tiny flow of tiny images, for the tests of the family."""

import numpy as np

import zoo
from zoo.flow import Flow, FlowConfig

RECIPE = {
    "name": "tiny-flow",
    "summary": "for tests",
    "model": {
        "family": "flow",
        "image_shape": [8, 8, 1],
        "patch": 4,
        "layers": 1,
        "width": 16,
        "heads": 2,
        "classes": 10,
        "steps": 3,
        "guidance": 2.0,
    },
    "data": {"name": "digits", "validation": 50, "limit": 100},
    "train": {"epochs": 1, "batch_size": 40, "learning_rate": 1e-2, "ema": 0.5},
    "evaluate": {"samples": 64},
}


def recipe(**changes) -> zoo.Recipe:
    """Return the recipe with other values, keys having `__` for the dot."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return zoo.Recipe.parse(RECIPE).changed(keys)


def model(**changes) -> Flow:
    """Return a model of the same weights each time, none of whose branches is closed."""
    made = Flow(FlowConfig(**(RECIPE["model"] | {"image_shape": (8, 8, 1)} | changes)))
    random = np.random.RandomState(0)
    for variable in made.trainable_variables:
        variable.assign(random.normal(0, 0.2, variable.shape))
    return made


def batch(count: int, classes: int = 10, seed: int = 0):
    """Return what a flow learns from."""
    random = np.random.RandomState(seed)
    x = {
        "image": random.normal(size=(count, 8, 8, 1)).astype(np.float32),
        "time": random.random_sample(count).astype(np.float32),
    }
    if classes:
        x["labels"] = random.randint(classes + 1, size=count).astype(np.int64)
    return x, random.normal(size=(count, 8, 8, 1)).astype(np.float32)
