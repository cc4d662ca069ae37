"""What decides which of the next tokens can be drawn, as functions of logits or weights."""

import math
from collections.abc import Sequence

import numpy as np


def keep_top_k(weights: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Keep exactly the `k` heaviest tokens of each row; of equals, those with lower ids.

    Args:
        weights: `(B, V)`.
        k: `(B, 1)`, 1 to V.

    Example:
        >>> keep_top_k(np.array([[0.2, 0.3, 0.3, 0.2]]), np.array([[3]]))
        array([[0.2, 0.3, 0.3, 0. ]])
    """
    places = weights.shape[-1] - k
    ordered = np.partition(weights, sorted(set(places[:, 0].tolist())))
    return weights * _kept(weights, np.take_along_axis(ordered, places, axis=-1), k)


def likeliest(logits: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the `k` likeliest tokens of each row; of equals, those with lower ids.

    Args:
        logits: `(B, V)`.
        k: 1 to V.

    Returns:
        Ids in rising order, and their logits, `(B, k)` each.

    Example:
        >>> likeliest(np.array([[2.0, 3.0, 3.0, 2.0]]), 3)
        (array([[0, 1, 2]]), array([[2., 3., 3.]]))
    """
    ordered = logits.copy()
    ordered.partition(logits.shape[-1] - k)
    kept = _kept(logits, ordered[:, -k:][:, :1], k)
    return kept.nonzero()[1].reshape(-1, k), logits[kept].reshape(-1, k)


def _kept(values: np.ndarray, least: np.ndarray, k: np.ndarray | int) -> np.ndarray:
    """Tell which are the `k` largest of each row, whose smallest is `least` `(B, 1)`."""
    kept = values >= least
    wanted = k * len(values) if isinstance(k, int) else k.sum()
    if np.count_nonzero(kept) != wanted:  # more of some row, since equals
        above, equal = values > least, values == least
        room = k - above.sum(-1, keepdims=True)
        kept = above | (equal & (np.cumsum(equal, axis=-1) <= room))
    return kept


def keep_top_p(weights: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Keep the fewest heaviest tokens of each row that together have a share `p` of its weight.

    Args:
        weights: `(B, V)`.
        p: `(B, 1)`, 0 to 1; 1 keeps all.

    Example:
        >>> keep_top_p(np.array([[5.0, 3.0, 2.0]]), np.array([[0.6]]))
        array([[5., 3., 0.]])
    """
    kept = weights.copy()
    for row, share in enumerate(p[:, 0].tolist()):
        if share == 1:
            continue
        total = np.add.reduce(weights[row])
        # Those below this weigh less than 1 - p of the total together: none of them is needed.
        (some,) = (weights[row] >= (1 - share) * total / weights.shape[-1]).nonzero()
        heavy = weights[row, some]
        order = (-heavy).argsort(kind="stable")
        heavy = heavy[order]
        before = np.add.accumulate(heavy) - heavy  # what the heavier ones weigh
        chosen = some[order[before < share * total]]
        kept[row] = 0
        kept[row, chosen] = weights[row, chosen]
    return kept


def pick(weights: np.ndarray, uniform: Sequence[float]) -> list[int]:
    """Turn uniform numbers, B of them in [0, 1), into places drawn with `weights` `(B, C)`.

    Example:
        >>> pick(np.array([[2.0, 0.0, 2.0]] * 2), [0.49, 0.5])
        [0, 2]
    """
    places = []
    for reached, share in zip(np.add.accumulate(weights, axis=-1), uniform, strict=True):
        total = reached.item(-1)
        # Rounding must not point beyond the last token.
        wanted = min(share * total, math.nextafter(total, 0))
        places.append(int(reached.searchsorted(wanted, side="right")))
    return places


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log-probabilities, in nats, of logits `(..., V)`, in float64."""
    logits = logits.astype(np.float64)
    logits = logits - logits.max(-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))
