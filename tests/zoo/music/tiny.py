"""A recipe of music so small that it trains in a second, on tunes that are made up."""

from pathlib import Path

import pytest

from tests.serving.music import tunes
from zoo.recipe import Recipe

ONE_AND_LONG = ("time", pytest.param("any", marks=pytest.mark.long))  # the orders of notes


def recipe(folder: Path, order: str = "time", **changes) -> Recipe:
    """Return a recipe of the tunes in a folder, which is written unless it is there."""
    if not folder.exists():
        tunes.folder(folder)
    values = {
        "name": "tunes",
        "summary": "Chords",
        "model": {
            "family": "music",
            "context": 128,
            "layers": 1,
            "width": 16,
            "heads": 2,
            "reach": 24,
            "dropout": 0.1,
            "attention_dropout": 0.1,
            "order": order,
        },
        "data": {"name": str(folder), "bars": 2, "transpose": 3},
        "train": {"epochs": 2, "batch_size": 3, "steps_per_epoch": 3, "ema": 0.9},
        "evaluate": {"samples": 1, "bars": 1, "melodies": 1},
    }
    return Recipe.parse(values).changed(
        {key.replace("__", "."): value for key, value in changes.items()}
    )
