"""What ships: a copy of the model that carries the averaged weights."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from zoo.files import replacing
from zoo.training.workdir import WorkDir


class Shipping(keras.callbacks.Callback):
    """After each epoch, validate the weights that would ship and keep the best and the last.

    The copy takes the moving average of the weights where the recipe has one. The model in training
    is never touched, so that validating changes nothing about the run.

    Args:
        shipped: a second model of the same configuration.
        validation: images in [0, 1], or dicts with `image` and `labels`, in batches.
        workdir: where `best.weights.h5` and `last.weights.h5` go.
        best: lowest validation loss so far, of a run that is resumed.
    """

    def __init__(
        self,
        shipped: keras.Model,
        validation: tf.data.Dataset,
        workdir: WorkDir,
        best: float = np.inf,
    ):
        super().__init__()
        self.shipped = shipped
        self.validation = validation
        self.workdir = workdir
        self.best = best
        self._loss = tf.function(shipped.validation_loss, reduce_retracing=True)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.take_weights()
        sums = [
            (float(self._loss(batch)) * len(rows), len(rows))
            for batch in self.validation
            for rows in [tf.nest.flatten(batch)[0]]
        ]
        loss = sum(total for total, _ in sums) / sum(count for _, count in sums)
        logs["val_loss"] = loss
        self._save(self.workdir.last_weights)
        if loss < self.best:
            self.best = loss
            self._save(self.workdir.best_weights)

    def take_weights(self) -> None:
        """Copy the weights that ship from the model in training."""
        optimizer, trained = self.model.optimizer, self.model.trainable_variables
        if optimizer.use_ema and optimizer.built:
            averages = optimizer._model_variables_moving_average
            trained = [averages[optimizer._get_variable_index(variable)] for variable in trained]
        sources = [*trained, *self.model.non_trainable_variables]
        targets = [*self.shipped.trainable_variables, *self.shipped.non_trainable_variables]
        for target, source in zip(targets, sources, strict=True):
            target.assign(source.numpy())

    def _save(self, path: Path) -> None:
        with replacing(path) as temporary:
            self.shipped.save_weights(temporary)
