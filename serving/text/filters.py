"""What decides which of the next tokens can be drawn, as functions of the logits of one text.

A step of a small network takes about as long as thirty calls of NumPy, and a vocabulary may have
50,000 tokens. So calls are few, and of a long row only what may matter is looked at twice.
"""

from bisect import bisect_left, bisect_right
from itertools import accumulate

import numpy as np

FEW = 100  # numbers up to which plain Python adds up and looks up faster
MANY = 4096  # numbers from which on it is worth to add up and sort in parts
BLOCK = 256  # numbers whose sum is looked at before they are
GLANCE = 8  # columns for each of the largest, where many numbers are folded into columns


def likeliest(logits: np.ndarray, k: int) -> np.ndarray:
    """Return the ids of the `k` likeliest tokens, in rising order; of equals, the lower ids.

    Args:
        logits: `(V,)`, none of them NaN.
        k: 1 to V.

    Example:
        >>> likeliest(np.array([2.0, 3.0, 3.0, 2.0]), 3)
        array([0, 1, 2])
    """
    if len(logits) >= 4 * GLANCE * k:
        some = _at_least_k(logits, k)
        if len(some) < len(logits):
            return np.take(some, likeliest(logits[some], k))
    ordered = logits.copy()
    ordered.partition(len(logits) - k)
    least = ordered[len(logits) - k]
    ids = (logits >= least).nonzero()[0]
    return ids if len(ids) == k else _first(ids, logits, least, k)


def _at_least_k(logits: np.ndarray, k: int) -> np.ndarray:
    """Return the ids of the k likeliest tokens and of few others, at a glance.

    The k-th largest of all is not less than the k-th largest of the maxima of columns.
    """
    columns = GLANCE * k
    whole = logits[: len(logits) // columns * columns].reshape(-1, columns)  # (rows, columns)
    maxima = np.maximum.reduce(whole, axis=0)
    maxima.partition(columns - k)
    ids: np.ndarray = (logits >= maxima[columns - k]).nonzero()[0]
    return ids


def _first(indices: np.ndarray, values: np.ndarray, least: float, k: int) -> np.ndarray:
    """Return, of the indices of all values that are not less than the k-th largest, the first k."""
    above = values[indices] > least
    room = k - np.count_nonzero(above)
    return np.compress(above | (np.cumsum(~above) <= room), indices)


def nucleus(weights: np.ndarray, p: float) -> np.ndarray:
    """Return the indices of the fewest heaviest tokens that together have a share of the weight.

    Args:
        weights: `(V,)`, none of them negative.
        p: the share, more than 0, at most 1.

    Returns:
        Indices in rising order; of equals, the first.

    Example:
        >>> nucleus(np.array([5.0, 3.0, 2.0]), 0.6)
        array([0, 1])
    """
    taken, some, wanted = 0, weights, p * np.add.reduce(weights)
    # What is above or below the mean is set aside, all of it taken or none, until few are left.
    while len(some) > MANY:
        above = some >= np.add.reduce(some) / len(some)
        heavier = some[above]
        if len(heavier) in (0, len(some)):  # all are equal
            break
        weight = np.add.reduce(heavier)
        if weight >= wanted:
            some = heavier
        else:
            some, wanted, taken = some[~above], wanted - weight, taken + len(heavier)
    ordered = np.sort(some)[::-1]
    last = min(int(np.add.accumulate(ordered).searchsorted(wanted)), len(some) - 1)
    least, count = ordered[last], taken + last + 1
    (indices,) = (weights >= least).nonzero()
    return indices if len(indices) == count else _first(indices, weights, least, count)


def pick(weights: np.ndarray, share: float) -> int:
    """Return the first index where the weights so far are more than a share of all of them.

    Weights are added up one by one, in float64.

    Args:
        weights: `(C,)`, not all of them 0.
        share: a uniform number in [0, 1) draws with these weights.

    Example:
        >>> [pick(np.array([2.0, 0.0, 2.0]), share) for share in (0.49, 0.5)]
        [0, 2]
    """
    if len(weights) >= MANY:
        index = _pick_by_blocks(weights, share)
        if index is not None:
            return index
    few = len(weights) <= FEW
    reached = list(accumulate(weights.tolist())) if few else np.add.accumulate(weights)
    total = float(reached[-1])
    index = bisect_right(reached, share * total)
    # Rounding must not point beyond the last token that can be drawn.
    return index if index < len(weights) else bisect_left(reached, total)


def _pick_by_blocks(weights: np.ndarray, share: float) -> int | None:
    """Pick from the sums of blocks, or return None where rounding could make a difference.

    Adding one by one takes longer than all else, since no sum can begin before the last has ended.
    """
    ends = np.add.accumulate(np.add.reduceat(weights, np.arange(0, len(weights), BLOCK)))
    total = ends.item(-1)
    wanted = share * total
    block = int(ends.searchsorted(wanted, "right"))
    before = ends.item(block - 1) if block else 0.0
    reached = before + np.add.accumulate(weights[block * BLOCK : (block + 1) * BLOCK])
    index = int(reached.searchsorted(wanted, "right"))
    if index == len(reached):
        return None
    before = reached.item(index - 1) if index else before
    # Each of so many additions is wrong by half an epsilon at most, in either way to add up.
    doubt = 2 * len(weights) * np.finfo(np.float64).eps * total
    certain = before + doubt < wanted < reached.item(index) - doubt
    return block * BLOCK + index if certain else None


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Return log-probabilities, in nats, of logits `(..., V)`, in float64."""
    logits = logits.astype(np.float64)
    logits = logits - logits.max(-1, keepdims=True)
    return np.asarray(logits - np.log(np.exp(logits).sum(-1, keepdims=True)))
