"""Relative positions: what a query asks of a key depends also on how far back the key lies.

Reference:
    Huang et al. 2018, Music Transformer (arXiv:1809.04281), after Shaw et al. 2018
    (arXiv:1803.02155).
"""

from keras import KerasTensor, initializers, layers, ops


class RelativePositions(layers.Layer):
    """Scores of queries for distances: a learned vector for each head and distance.

    Args:
        heads: of keys, K.
        reach: distances that are told apart; all that are further count as the furthest.
        size: of a head, D.
        ahead: whether keys may lie ahead of their query too.
        stddev: standard deviation of the initial vectors.

    Call arguments:
        query: `(B, K, G, T, D)`, G query heads for each key head, as they meet keys.
        keys: how many keys S + T there are, the last T at the places of the queries.

    Returns:
        What to add to the scores of attention, `(B, K, G T, S + T)`. What lies ahead of its query
        means nothing unless `ahead`.

    Example:
        >>> import numpy as np
        >>> layer = RelativePositions(heads=2, reach=16, size=4, ahead=False, stddev=0.02)
        >>> layer(np.ones((1, 2, 1, 3, 4), "float32"), keys=5).shape
        TensorShape([1, 2, 3, 5])
    """

    def __init__(self, heads: int, reach: int, size: int, ahead: bool, stddev: float, **kwargs):
        super().__init__(**kwargs)
        self.heads, self.reach, self.size, self.ahead = heads, reach, size, ahead
        self.stddev = stddev

    def build(self, query_shape: tuple[int | None, ...]) -> None:
        # Rows: from the furthest behind to the key of the query itself, and on if any are ahead.
        rows = 2 * self.reach - 1 if self.ahead else self.reach
        self.vectors = self.add_weight(
            name="vectors",
            shape=(rows, self.heads * self.size),
            initializer=initializers.RandomNormal(stddev=self.stddev),
        )

    def call(self, query: KerasTensor, keys: KerasTensor | int) -> KerasTensor:
        length = ops.shape(query)[3]
        ahead = length - 1 if self.ahead else 0
        # From the first key of the last query to the last of the first: -(S + T - 1) to T - 1.
        distances = ops.arange(keys + ahead, dtype="int32") - (keys - 1)
        rows = ops.clip(distances, 1 - self.reach, self.reach - 1) + (self.reach - 1)
        vectors = ops.take(self.vectors, rows, axis=0)  # (S + T + ahead, K D)
        vectors = ops.reshape(vectors, (-1, self.heads, 1, self.size))
        vectors = ops.transpose(ops.cast(vectors, query.dtype), (1, 2, 3, 0))  # (K, 1, D, C)
        return skewed(ops.matmul(query, vectors), keys, self.ahead)


def skewed(scores: KerasTensor, keys: KerasTensor | int, ahead: bool) -> KerasTensor:
    """Turn columns that count distances into columns that count keys.

    Column c of row i of the scores is of the key at `c - (T - 1 - i)`: each row has to move left by
    one less than that above it. With a column more in front, the rows, put one behind the other and
    cut anew into rows of one less after the first T numbers, do just that.

    Args:
        scores: `(B, K, G, T, C)`, C being S + T, and T - 1 more where there are keys ahead.
        keys: S + T.
        ahead: whether there are.

    Returns:
        `(B, K, G T, S + T)`.

    Example:
        >>> import numpy as np
        >>> distances = np.array([[-2, -1, 0], [-2, -1, 0]], "float32").reshape(1, 1, 1, 2, 3)
        >>> skewed(distances, 3, ahead=False)[0, 0].numpy()[:, :2].tolist()
        [[-1.0, 0.0], [-2.0, -1.0]]
    """
    _, heads, group, length, _ = scores.shape
    length = ops.shape(scores)[3] if length is None else length
    columns = keys + length - 1 if ahead else keys  # C
    padded = ops.pad(scores, ((0, 0), (0, 0), (0, 0), (0, 0), (1, 0)))
    # The first T numbers are cut off as if they were a row, which asks for no size.
    cut = ops.reshape(padded, (-1, heads, group, columns + 1, length))[:, :, :, 1:]
    moved = ops.reshape(cut, (-1, heads, group, length, columns))
    moved = moved[..., :keys] if ahead else moved
    return ops.reshape(moved, (-1, heads, group * length, keys))
