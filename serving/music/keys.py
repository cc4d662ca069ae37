"""Keys: their names, their chords, and which one a piece is in."""

import numpy as np

NAMES = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
MAJOR, MINOR = NAMES, tuple(f"{name}m" for name in NAMES)
KEYS = MAJOR + MINOR
MAJOR_TRIAD, MINOR_TRIAD = (0, 4, 7), (0, 3, 7)
# How well each degree fits a key (Krumhansl and Kessler 1982), from the tonic up.
_MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
_MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def tonic(key: str) -> int:
    """Return the pitch class of a key, 0 for C.

    Example:
        >>> tonic("Bbm")
        10
    """
    return KEYS.index(key) % 12


def triad(key: str) -> tuple[int, ...]:
    """Return the pitch classes of its first chord, the root first.

    Example:
        >>> triad("Am")
        (9, 0, 4)
    """
    steps = MAJOR_TRIAD if key in MAJOR else MINOR_TRIAD
    return tuple((tonic(key) + step) % 12 for step in steps)


def key_of(notes: np.ndarray) -> str:
    """Return the key whose degrees the notes of a piece fit best (Krumhansl 1990).

    Args:
        notes: `(T, 4)`, -1 for silence; the longer a note, the more it counts.

    Example:
        >>> key_of(np.array([[67, 64, 60, 48], [67, 62, 59, 55], [67, 64, 60, 48]]))
        'C'
    """
    classes = np.bincount(notes[notes >= 0] % 12, minlength=12).astype(float)
    if classes.std() == 0:
        return KEYS[0]
    fits = [
        np.corrcoef(np.roll(profile, root), classes)[0, 1]
        for profile in (_MAJOR, _MINOR)
        for root in range(12)
    ]
    return KEYS[int(np.argmax(fits))]
