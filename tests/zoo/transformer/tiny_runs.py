"""Tiny runs on a text of few characters, shared by the tests of what goes on from them."""

from pathlib import Path

import zoo
from zoo.data import tokenizers

TEXT = "the cat sat on the mat, and the dog sat on the cat. " * 60
OTHER = "the mat sat on the dog. " * 100  # of the same characters, but not all of them
TINY = {
    "model.context": 16,
    "model.layers": 2,
    "model.width": 16,
    "model.heads": 4,
    "train.epochs": 1,
    "train.steps_per_epoch": 5,
    "train.batch_size": 4,
}


def changes(place: Path, text: str = TEXT, **others) -> dict:
    """Overrides of `gpt-shakespeare-nano` that make it tiny; keys have `__` for the dot."""
    file = place / "book.txt"
    file.write_text(text)
    size = len(set(TEXT)) + len(tokenizers.SPECIAL)
    own = {"data.name": str(file), "model.vocabulary_size": size}
    return TINY | own | {key.replace("__", "."): value for key, value in others.items()}


def trained(place: Path, text: str = TEXT, devices: str = "auto", **others) -> Path:
    """Train such a model in `place/run`, and return that directory."""
    place.mkdir(parents=True, exist_ok=True)
    overrides = changes(place, text, **others)
    recipe = zoo.Recipe.load("gpt-shakespeare-nano", overrides)
    return zoo.train(recipe, place / "run", devices=devices).workdir
