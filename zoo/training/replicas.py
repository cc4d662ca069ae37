"""Arithmetic that comes out the same on one device and on many.

Keras sums gradients over replicas. A step therefore equals the single-device step when every
replica's loss is the mean over the *global* batch divided by the number of replicas, when noise
belongs to an example and not to the device that happens to hold it, and when gradients are clipped
after they are summed. These three rules live here and nowhere else. Off TensorFlow, and on a single
device, each reduces to the plain operation.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import keras
from keras import KerasTensor, ops

# Rows of this replica's whole batch, and how many of them come before the part at hand.
_part: ContextVar[tuple[KerasTensor, KerasTensor] | None] = ContextVar("part", default=None)


def global_mean(values: KerasTensor) -> KerasTensor:
    """Mean over the first axis of the global batch, the same on every replica; differentiable.

    Args:
        values: `(B, ...)`, the replica's own rows; B may differ between replicas and may be 0.

    Returns:
        `(...)`.
    """
    total = ops.sum(values, axis=0)
    count = ops.cast(ops.shape(values)[0], values.dtype)
    context = _replica_context()
    if context is None:
        return total / count
    # The gradient of an all-reduced sum is the all-reduced sum of gradients.
    total, count = context.all_reduce("sum", [total, count])
    return total / count


def global_sum(values: KerasTensor) -> KerasTensor:
    """Sum what each replica has: `(...)` -> `(...)`, the same on every replica."""
    context = _replica_context()
    return values if context is None else context.all_reduce("sum", values)


def global_weighted_mean(values: KerasTensor, weights: KerasTensor) -> KerasTensor:
    """Mean over all values of all replicas, whose shares of the weight differ; 0 without weight.

    Args:
        values: of this replica, of any shape.
        weights: of each.

    Returns:
        A scalar, the same on every replica.
    """
    sums = global_sum(ops.stack([ops.sum(values * weights), ops.sum(weights)]))
    return ops.divide_no_nan(sums[0], sums[1])


def scale_loss(loss: KerasTensor) -> KerasTensor:
    """Divide a global loss by the number of replicas, since gradients are summed over them."""
    context = _replica_context()
    return loss if context is None else loss / context.num_replicas_in_sync


def unscale_loss(loss: KerasTensor) -> KerasTensor:
    """Undo `scale_loss`."""
    context = _replica_context()
    return loss if context is None else loss * context.num_replicas_in_sync


@contextmanager
def part_of(rows: KerasTensor, before: KerasTensor) -> Iterator[None]:
    """Within, let `own_rows` draw for a part of this replica's batch what it draws for the whole.

    Args:
        rows: of this replica's batch.
        before: how many of them come before the part.
    """
    token = _part.set((rows, before))
    try:
        yield
    finally:
        _part.reset(token)


def own_rows(draw: Callable[[KerasTensor], KerasTensor], count: KerasTensor) -> KerasTensor:
    """Draw something random for every row of the global batch and keep this replica's rows.

    Args:
        draw: makes `(rows, ...)` from a number of rows, the same on every replica.
        count: rows of this replica, or of the part of its batch at hand.
    """
    context, part = _replica_context(), _part.get()
    if context is None and part is None:
        return draw(count)
    rows, start = part or (count, 0)
    if context is None:
        return draw(rows)[start : start + count]
    import tensorflow as tf

    replica = context.replica_id_in_sync_group
    counts = tf.one_hot(replica, context.num_replicas_in_sync, rows, 0, dtype=tf.int32)  # (R,)
    counts = context.all_reduce("sum", counts)
    start += tf.reduce_sum(counts[:replica])
    return draw(tf.reduce_sum(counts))[start : start + count]


def _replica_context():
    """Return the replica context when there is more than one replica, else None."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


class SummedClipping:
    """Mixed into a Keras optimizer: clip by the global norm of gradients summed over replicas.

    Keras clips each replica's gradients before it sums them, which clips at another norm.
    """

    def _clip_gradients(self, grads: list) -> list:
        context = _replica_context()
        if context is None or self.global_clipnorm is None:
            return super()._clip_gradients(grads)
        summed = super()._clip_gradients(context.all_reduce("sum", list(grads)))
        # Every replica now holds the clipped sum, and the optimizer will sum once more.
        return [gradient / context.num_replicas_in_sync for gradient in summed]
