"""Photographs that are drawn, and the recipe of a tiny network, for the tests of the family."""

from pathlib import Path

import numpy as np
from PIL import Image

import zoo
from zoo.restoration import RestorationConfig, Restorer

RECIPE = {
    "name": "tiny-restorer",
    "summary": "for tests",
    "model": {"family": "restoration", "scale": 3, "width": 8, "narrow": 4, "depth": 1},
    "data": {"name": "", "patch": 8, "validation": 3},
    "train": {
        "epochs": 2,
        "steps_per_epoch": 4,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "ema": 0.5,
    },
}


def draw(height: int, width: int, seed: int) -> np.ndarray:
    """Draw discs and stripes, whose edges are sharp: uint8 `(H, W, 3)`."""
    random = np.random.RandomState(seed)
    rows, columns = np.mgrid[:height, :width]
    pixels = np.full((height, width, 3), random.randint(0, 256, 3), np.uint8)
    for _ in range(12):
        row, column, radius = random.randint(0, height), random.randint(0, width), 4
        inside = (rows - row) ** 2 + (columns - column) ** 2 < (radius + random.randint(9)) ** 2
        pixels[inside] = random.randint(0, 256, 3)
    pixels[(rows + columns) % 16 < 2] //= 2
    return pixels


def folder(path: Path, count: int = 12) -> Path:
    """Fill a folder with photographs of several sizes."""
    path.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        pixels = draw(40 + 3 * seed, 62 - 2 * seed, seed)
        Image.fromarray(pixels).save(path / f"{seed:02d}.png")
    return path


def recipe(place: Path, **changes) -> zoo.Recipe:
    """Return the recipe with other values, keys having `__` for the dot."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return zoo.Recipe.parse(RECIPE).changed({"data.name": str(place)} | keys)


def model(**changes) -> Restorer:
    """Return a model of the same weights each time, which adds much to the bicubic enlargement."""
    sizes = {"scale": 2, "width": 8, "narrow": 4, "depth": 2}
    made = Restorer(RestorationConfig(**(sizes | changes)))
    random = np.random.RandomState(0)
    for variable in made.trainable_variables:
        variable.assign(random.normal(0, 0.2, variable.shape))
    return made
