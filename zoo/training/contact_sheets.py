"""Sheets of generated images, to look at while a model trains."""

import keras
import numpy as np

from serving.content import pictures

COLUMNS = 8


def draw_sheet(model: keras.Model, seed: int) -> np.ndarray:
    """Return a sheet of eight rows of samples; a conditional model has a column for each class."""
    classes = model.config.classes
    columns = classes or COLUMNS
    labels = np.tile(np.arange(classes), COLUMNS) if classes else None
    return pictures.grid(model.generate(COLUMNS * columns, labels=labels, seed=seed), columns)
