"""Samples after each epoch."""

from functools import cached_property

import keras
import tensorflow as tf

from serving import registry
from zoo.task import Task
from zoo.training.workdir import WorkDir


class Samples(keras.callbacks.Callback):
    """Writes `samples/epoch_NNN` and TensorBoard's copy of it from the weights that ship.

    The noise is the same each time, so that one sees the same samples grow.
    """

    def __init__(self, task: Task, shipped: keras.Model, workdir: WorkDir):
        super().__init__()
        self.task, self.shipped, self.workdir = task, shipped, workdir

    @cached_property
    def _writer(self) -> tf.summary.SummaryWriter:
        return tf.summary.create_file_writer(str(self.workdir.logs / "samples"))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        drawn = self.task.samples(self.shipped)
        if drawn is None:
            return
        content = registry.content(drawn.content)
        stem = self.workdir.samples / f"epoch_{epoch + 1:03d}"
        content.write_samples(drawn.value, drawn.processing, stem)
        picture, words = (
            show(drawn.value, drawn.processing) for show in (content.picture, content.words)
        )
        with self._writer.as_default(step=epoch + 1):
            if picture is not None:
                tf.summary.image("samples", picture[None])
            if words is not None:
                tf.summary.text("samples", words)
