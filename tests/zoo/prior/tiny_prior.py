"""A tiny prior of tiny codes, for the tests of the family."""

from types import SimpleNamespace

import numpy as np

import zoo
from zoo.data import images
from zoo.data.scenes.config import ScenesConfig
from zoo.prior import Prior

RECIPE = {
    "name": "tiny-prior",
    "summary": "for tests",
    "model": {
        "family": "code_prior",
        "codes": "runs/codes",
        "layers": 1,
        "width": 16,
        "heads": 2,
        "classes": 10,
        "steps": 3,
        "guidance": 2.0,
    },
    "data": {"name": "digits", "validation": 50, "limit": 100},
    "train": {"epochs": 2, "batch_size": 40, "learning_rate": 1e-2, "ema": 0.5},
    "evaluate": {"samples": 64},
}
SIZES = {"positions": 4, "vocabulary": 12}
WORDS = {"model__classes": 0, "model__words": 12, "data__name": "scenes", "data__validation": 30}


def recipe(codes, **changes) -> zoo.Recipe:
    """Return the recipe with a run of codes and other values, keys having `__` for the dot."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return zoo.Recipe.parse(RECIPE).changed({"model.codes": str(codes)} | keys)


def model(**changes) -> Prior:
    """Return a model of the same weights each time."""
    made = Prior({**RECIPE["model"], **SIZES, **changes})
    random = np.random.RandomState(0)
    for variable in made.trainable_variables:
        variable.assign(random.normal(0, 0.2, variable.shape))
    return made


def batch(count: int, seed: int = 0, told: str = "labels"):
    """Return what a prior learns from."""
    random = np.random.RandomState(seed)
    codes = random.randint(SIZES["vocabulary"], size=(count, SIZES["positions"])).astype(np.int32)
    hide = random.random_sample(codes.shape) < 0.5
    x = {"codes": np.where(hide, np.int32(SIZES["vocabulary"]), codes)}
    if told == "labels":
        x["labels"] = random.randint(11, size=count).astype(np.int32)
    elif told:
        x["words"] = random.randint(9, size=(count, 3)).astype(np.int32)
    return x, codes, hide.astype(np.float32)


def few_scenes(monkeypatch) -> None:
    """Let `scenes` be a few of small digits, which need no download."""
    few = ScenesConfig(digits="digits", emoji=(), count=130, validation=30, test=40)
    monkeypatch.setattr(images, "ScenesConfig", SimpleNamespace(parse=lambda *_: few))
