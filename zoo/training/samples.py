"""A contact sheet of samples after each epoch."""

import keras
import numpy as np
import tensorflow as tf

from zoo import pictures
from zoo.training.workdir import WorkDir

COLUMNS = 8


class Samples(keras.callbacks.Callback):
    """Writes `samples/epoch_NNN.png` and a TensorBoard image from the weights that ship.

    The noise is the same each time; the labels of a conditional model go round, one column each.
    """

    def __init__(self, shipped: keras.Model, workdir: WorkDir, seed: int):
        super().__init__()
        self.shipped = shipped
        self.workdir = workdir
        self.seed = seed
        self._writer = tf.summary.create_file_writer(str(workdir.logs / "samples"))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        sheet = draw_samples(self.shipped, self.seed)
        pictures.save(sheet, self.workdir.samples / f"epoch_{epoch + 1:03d}.png")
        with self._writer.as_default(step=epoch + 1):
            tf.summary.image("samples", sheet[None])


def draw_samples(model: keras.Model, seed: int) -> np.ndarray:
    """Return a sheet of eight rows of samples; a conditional model has a column for each class."""
    classes = model.config.classes
    columns = classes or COLUMNS
    labels = np.tile(np.arange(classes), COLUMNS) if classes else None
    return pictures.grid(model.generate(COLUMNS * columns, labels=labels, seed=seed), columns)
