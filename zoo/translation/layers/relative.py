"""Relative positions as T5 has them: a number for how far apart two tokens are.

Reference:
    Raffel et al. 2020 (arXiv:1910.10683), section 2.1.
"""

import numpy as np
from keras import KerasTensor, initializers, layers, ops


class RelativeBias(layers.Layer):
    """Learns what is added to the score of a query and a key, for each head.

    All layers of a half share it.

    Args:
        heads: of attention.
        buckets: numbers of each head.
        distance: from here on all distances are alike.
        causal: whether only tokens before are seen, so that all buckets are for them.

    Example:
        >>> bias = RelativeBias(heads=2, buckets=8, distance=16, causal=True)
        >>> bias.build()
        >>> bias.scores(seen=3, length=1).shape
        TensorShape([1, 2, 1, 4])
    """

    def __init__(self, heads: int, buckets: int, distance: int, causal: bool, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.distance = heads, distance
        self.table = bucket_table(buckets, distance, causal)
        self.buckets = buckets

    def build(self, input_shape: object = None) -> None:
        self.embeddings = self.add_weight(
            shape=(self.buckets, self.heads),
            initializer=initializers.RandomNormal(stddev=0.02),
            name="embeddings",
        )

    def scores(self, seen: KerasTensor | int, length: KerasTensor | int) -> KerasTensor:
        """Return what is added to the scores of tokens, `(1, heads, T, S + T)`.

        Args:
            seen: tokens S that are held of the past, the first of the keys.
            length: tokens T that are read now.
        """
        indices = ops.arange(seen + length, dtype="int32")
        apart = ops.expand_dims(indices, 0) - ops.expand_dims(indices[seen:], 1)  # (T, S + T)
        apart = ops.clip(apart, -self.distance, self.distance) + self.distance
        by_distance = ops.take(self.embeddings, self.table, axis=0)  # (distances, heads)
        bias = ops.take(ops.transpose(by_distance), apart, axis=1)  # (heads, T, S + T)
        return ops.expand_dims(bias, 0)


def bucket_table(buckets: int, distance: int, causal: bool) -> np.ndarray:
    """Return the bucket of each distance from `-distance` to `distance`, int32.

    Half of the buckets of a direction are for one distance each; the others cover distances that
    grow by a constant factor.

    Args:
        buckets: how many there are; of two directions, half of them for each.
        distance: the last bucket of a direction begins below it.
        causal: whether what is ahead has no buckets; it then is in the first.

    Example:
        >>> bucket_table(8, 16, causal=True)[:17].tolist()
        [7, 7, 7, 7, 7, 6, 6, 6, 6, 5, 5, 4, 4, 3, 2, 1, 0]
    """
    apart = np.arange(-distance, distance + 1)  # of a key from its query
    own = buckets if causal else buckets // 2
    far = np.maximum(-apart, 0) if causal else np.abs(apart)
    exact = own // 2
    # In whole steps, so that rounding of logarithms decides nothing.
    starts = exact * (distance / exact) ** (np.arange(1, own - exact) / (own - exact))
    shared = exact + np.searchsorted(starts - 1e-6, far, side="right")
    found = np.where(far < exact, far, shared)
    return (found + (0 if causal else own * (apart > 0))).astype(np.int32)
