"""Texts with gaps, and what filled them: T5's span corruption, from texts of no translation.

"the cat sat on the mat" may become the source "the <gap 0> on the <gap 1>" and the target "<gap 0>
cat sat <gap 1> mat".

Reference:
    Raffel et al. 2020 (arXiv:1910.10683), section 3.1.4.
"""

from collections.abc import Sequence

import numpy as np

from zoo.translation.rows.ragged import Ragged

DENSITY, MEAN_SPAN = 0.15, 3.0  # share of tokens in gaps, and tokens of a gap, as in T5


def corrupted(texts: Ragged, gaps: Sequence[int], seed: int) -> tuple[Ragged, Ragged]:
    """Put gaps into texts.

    Args:
        texts: tokens of each.
        gaps: the tokens that stand for the first gap, the second and so on; a text has at most so
            many.
        seed: of where gaps are.

    Returns:
        The texts with gaps, and what filled each, after its token.

    Example:
        >>> texts = Ragged.of([[10, 11, 12, 13, 14, 15, 16, 17, 18, 19]])
        >>> [part.rows() for part in corrupted(texts, [7, 8], seed=0)]
        [[[10, 11, 12, 13, 14, 15, 16, 17, 7]], [[7, 18, 19]]]
    """
    random = np.random.RandomState(seed % 2**32)
    sources, targets = [], []
    for text in texts.rows():
        source, target, at = [], [], 0
        kept, left_out = _lengths(len(text), len(gaps), random)
        for gap, keep, leave in zip(gaps, kept, left_out, strict=False):
            source += [*text[at : at + keep], gap]
            at += keep
            target += [gap, *text[at : at + leave]]
            at += leave
        sources.append(source + text[at:])
        targets.append(target)
    return Ragged.of(sources), Ragged.of(targets)


def _lengths(length: int, most: int, random: np.random.RandomState) -> tuple[list[int], list[int]]:
    """Return how many tokens are kept before each gap, and how many each gap leaves out."""
    hidden = min(max(1, round(length * DENSITY)), length)
    count = min(max(1, round(hidden / MEAN_SPAN)), most, hidden, max(1, length - hidden))
    left_out = _parts(hidden, count, random)
    kept = _parts(length - hidden, count, random) if length - hidden >= count else [0] * count
    return kept, left_out


def _parts(total: int, count: int, random: np.random.RandomState) -> list[int]:
    """Divide a number into parts of 1 and more, all ways alike likely."""
    cuts = np.sort(random.permutation(total - 1)[: count - 1]) + 1
    return np.diff([0, *cuts.tolist(), total]).tolist()
