"""Validation on batches that count more or less."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from zoo.training.built import BuiltModel


def weighted_validation(
    shipped: BuiltModel, batches: tf.data.Dataset
) -> Callable[[], dict[str, float]]:
    """Return what measures the mean loss of a model, each batch weighing what its targets do.

    Args:
        shipped: has a `validation_loss`, the mean over the weights of a batch.
        batches: of inputs, targets and weights.
    """
    loss = tf.function(shipped.validation_loss, reduce_retracing=True)

    def measure() -> dict[str, float]:
        counts = [float(tf.reduce_sum(weights)) for _, _, weights in batches]
        means = [float(loss(batch)) for batch in batches]
        return {"val_loss": float(np.average(means, weights=counts))}

    return measure
