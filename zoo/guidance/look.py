"""What a judge says of images that are drawn of latents, and the slope of that by the latents."""

from collections.abc import Callable

import tensorflow as tf
from keras import KerasTensor, ops

from zoo.judge.classifier import Classifier

UNWANTED = -1e9  # a logit that has no share


def look(
    draw: Callable[[KerasTensor], KerasTensor],
    judge: Classifier,
    z: KerasTensor,
    wanted: KerasTensor,
) -> tuple[KerasTensor, KerasTensor]:
    """Say how likely images are of a wanted class, and how that changes with their latents.

    Args:
        draw: maps latents `(B, D)` to images `(B, H, W, C)` in [0, 1], row by row.
        judge: of such images.
        z: `(B, D)`.
        wanted: 1 for each class that will do, 0 for any other, float32 `(B, classes)`.

    Returns:
        The logarithm of the probability, in nats `(B,)`, and its gradient `(B, D)`.

    Example:
        >>> import keras, numpy as np
        >>> from zoo.judge import ClassifierConfig
        >>> judge = Classifier(ClassifierConfig(image_shape=(4, 4, 1), channels=(2,), features=3))
        >>> draw = lambda z: ops.sigmoid(ops.reshape(z, (-1, 4, 4, 1)))
        >>> likely, slope = look(draw, judge, np.zeros((2, 16), "float32"), np.eye(10)[:2])
        >>> likely.shape, slope.shape
        (TensorShape([2]), TensorShape([2, 16]))
    """
    z = ops.convert_to_tensor(z, "float32")
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(z)
        logits = ops.cast(judge(draw(z)), "float32")  # (B, classes)
    allowed = ops.where(ops.cast(wanted, "float32") > 0, logits, UNWANTED)
    likely = _log_sum(allowed) - _log_sum(logits)
    # The slope by the logits is known, and what is left for the tape are the networks alone.
    by_logits = ops.softmax(allowed, axis=-1) - ops.softmax(logits, axis=-1)
    return likely, tape.gradient(logits, z, output_gradients=by_logits)


def _log_sum(logits: KerasTensor) -> KerasTensor:
    """Return `log(sum(exp(logits)))`, of numbers that are none of them infinite: `(B,)`."""
    largest = ops.max(logits, axis=-1, keepdims=True)
    return largest[:, 0] + ops.log(ops.sum(ops.exp(logits - largest), axis=-1))
