"""Samples after each epoch."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from zoo.task import Task
from zoo.training.workdir import WorkDir


class Samples(keras.callbacks.Callback):
    """Writes `samples/epoch_NNN` and TensorBoard's copy of it from the weights that ship.

    The noise is the same each time, so that one sees the same samples grow.
    """

    def __init__(self, task: Task, shipped: keras.Model, workdir: WorkDir):
        super().__init__()
        self.task, self.shipped, self.workdir = task, shipped, workdir
        self._writer = tf.summary.create_file_writer(str(workdir.logs / "samples"))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        path = self.workdir.samples / f"epoch_{epoch + 1:03d}"
        self.task.draw(self.shipped, path, self._logger(epoch + 1))

    def _logger(self, step: int) -> Callable[..., None]:
        def log(*, image: np.ndarray | None = None, text: str | None = None) -> None:
            with self._writer.as_default(step=step):
                if image is not None:
                    tf.summary.image("samples", image[None])
                if text is not None:
                    tf.summary.text("samples", text)

        return log
