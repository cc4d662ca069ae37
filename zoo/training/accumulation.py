"""Steps whose gradient is computed part by part of the batch: less memory, the same result.

Equal to the undivided step up to rounding, as each part counts by its weight in the whole batch,
and as an example draws the same noise whichever part holds it. The optimizer steps once a batch, so
that schedules, averages of the weights and the step count know nothing of the parts.
"""

import operator
from abc import abstractmethod
from itertools import pairwise
from typing import Any

import keras
import tensorflow as tf
from keras import KerasTensor, ops, tree

from serving.errors import UsageError
from zoo.training import replicas
from zoo.training.built import BuiltModel


class Accumulating(BuiltModel):
    """A model with one optimizer, whose loss is a weighted mean over the examples of a batch.

    Attributes:
        accumulate: parts of a batch whose gradients are computed one after the other.
    """

    accumulate = 1

    @abstractmethod
    def weight(self, data: Any) -> KerasTensor:
        """Return how much this replica's part of a batch counts in the loss, a scalar."""

    @property
    @abstractmethod
    def seeds(self) -> list[keras.random.SeedGenerator]:
        """Where the noise of a training step comes from, all of it through `own_rows`."""

    def train_step(self, data: Any) -> dict[str, KerasTensor]:
        if self.accumulate == 1:
            return super().train_step(data)
        rows, parts = self._parts(data)
        weights = replicas.global_sum(ops.stack([self.weight(part) for _, part in parts]))
        shares = ops.divide_no_nan(weights, ops.sum(weights))  # (parts,)
        states = [tf.identity(seeds.state.value) for seeds in self.seeds]
        loss, gradients = 0.0, []
        for index, (before, part) in enumerate(parts):
            # One after the other, else all parts would be in memory at once.
            with tf.control_dependencies(gradients):
                part = tree.map_structure(tf.identity, part)
                for seeds, state in zip(self.seeds, states, strict=True):
                    seeds.state.assign(state)
            with replicas.part_of(rows, before):
                part_loss, part_gradients = self._gradients(part)
            loss += shares[index] * part_loss
            scaled = [shares[index] * tf.convert_to_tensor(each) for each in part_gradients]
            gradients = list(map(ops.add, gradients, scaled)) if gradients else scaled
        self.optimizer.apply(gradients, self.trainable_weights)
        self._loss_tracker.update_state(replicas.unscale_loss(loss), sample_weight=rows)
        return self.get_metrics_result()

    def _parts(self, data: Any) -> tuple[KerasTensor, list[tuple[KerasTensor, Any]]]:
        """Return the rows of a batch, and its parts, each with the number of rows before it."""
        rows = ops.shape(tree.flatten(data)[0])[0]
        bounds = [rows * index // self.accumulate for index in range(self.accumulate + 1)]
        spans = [slice(start, stop) for start, stop in pairwise(bounds)]
        return rows, [
            (span.start, tree.map_structure(operator.itemgetter(span), data)) for span in spans
        ]

    def _gradients(self, part: Any) -> tuple[KerasTensor, list[KerasTensor]]:
        """Return the loss of a part, ready to be summed over replicas, and its gradients."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(part)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight)
        return loss, tape.gradient(loss, self.trainable_weights)


def divide_steps(model: BuiltModel, parts: int) -> None:
    """Let a model compute the gradient of each batch in so many parts, which needs less memory.

    Raises:
        UsageError: it does not know how.
    """
    if isinstance(model, Accumulating):
        model.accumulate = parts
    elif parts > 1:
        raise UsageError(
            f"train.accumulate is {parts}, but a {type(model).__name__} takes each batch as a "
            "whole; leave the key out, or make train.batch_size smaller"
        )
