"""A tiny masked language model, and the recipe of one, shared by the tests of the family."""

import numpy as np

import zoo
from zoo.masked import MaskedConfig, MaskedLanguageModel

SIZE, CONTEXT = 40, 16
RECIPE = {
    "name": "tiny-masked",
    "summary": "for tests",
    "model": {
        "family": "masked",
        "vocabulary_size": 330,
        "context": 24,
        "layers": 1,
        "width": 16,
        "heads": 2,
        "dropout": 0.1,
    },
    "data": {
        "name": "python_topics",
        "tokenizer": "bpe",
        "vocabulary_size": 330,
        "limit": 12_000,
    },
    "train": {
        "epochs": 2,
        "steps_per_epoch": 5,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "ema": 0.5,
    },
    "evaluate": {"limit": 200, "words": 20},
}


def recipe(**changes) -> zoo.Recipe:
    """Return the recipe with other values, keys having `__` for the dot."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return zoo.Recipe.parse(RECIPE).changed(keys)


def model(**changes) -> MaskedLanguageModel:
    """Return a model of the same weights each time, far from how they begin."""
    sizes = {"width": 16, "heads": 2, "layers": 2, "context": CONTEXT}
    made = MaskedLanguageModel(MaskedConfig(vocabulary_size=SIZE, **(sizes | changes)))
    random = np.random.RandomState(0)
    for variable in made.trainable_variables:
        gain = float(len(variable.shape) == 1)
        variable.assign(gain + random.normal(0, 0.2, variable.shape))
    return made
