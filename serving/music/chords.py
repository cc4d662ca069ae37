"""Chords, read by rule: which sets of pitch classes a chorale's harmony is made of.

A frame is accepted if what sounds is a triad, a seventh chord, or part of one, whatever its root.
What it refuses is not wrong: passing notes and suspensions are refused too, so the share of frames
that it accepts says something only beside that of the music the model learned from.
"""

from itertools import combinations

import numpy as np

# Semitones above the root: triads, then chords of the seventh.
CHORDS = (
    (0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 8),
    (0, 4, 7, 10), (0, 4, 7, 11), (0, 3, 7, 10), (0, 3, 6, 10), (0, 3, 6, 9), (0, 3, 7, 11),
)  # fmt: skip
LEAST = 2  # pitch classes of part of a chord


def _accepted() -> np.ndarray:
    """Return for each set of pitch classes, as 12 bits, whether it is a chord or part of one."""
    found = np.zeros(2**12, bool)
    for chord in CHORDS:
        for size in range(LEAST, len(chord) + 1):
            for part in combinations(chord, size):
                for root in range(12):
                    found[sum(1 << (root + step) % 12 for step in part)] = True
    return found


_ACCEPTED = _accepted()


def accepted(notes: np.ndarray) -> np.ndarray:
    """Tell of which frames the harmony is a chord: `(T, 4)` -> bool `(T,)`.

    Example:
        >>> accepted(np.array([[72, 67, 64, 48], [72, 73, 74, 75]])).tolist()
        [True, False]
    """
    bits = np.where(notes >= 0, 1 << (notes % 12).astype(np.int64), 0)
    return np.asarray(_ACCEPTED[np.bitwise_or.reduce(bits, axis=1)])
