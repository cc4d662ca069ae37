"""Rules of leading four voices, as counted in a piece and as kept while one is drawn.

A rule looks at two neighbouring voices or at two neighbouring sixteenths, so whether a note keeps
it can be said as soon as its neighbours are known. What the rules are is school, not law: Bach
breaks every one of them now and then, and how often is measured beside.

References:
    Aldwell, Schachter and Cadwallader, Harmony and Voice Leading; the ranges are those of a choir.
"""

from typing import NamedTuple

import numpy as np

from serving.music.grid import SILENCE, VOICES

UNKNOWN = -2  # a note that is not drawn yet
RANGES = ((60, 81), (53, 74), (48, 69), (40, 64))  # of soprano, alto, tenor and bass
WIDEST = (12, 12)  # between soprano and alto, alto and tenor
FORBIDDEN_LEAPS = (6, 10, 11)  # tritone and sevenths; so is all above an octave
FIFTH, OCTAVE = 7, 0  # semitones, octaves left out


class Counts(NamedTuple):
    """How often each rule is broken.

    Attributes:
        fifths, octaves: two voices that move the same way from one such interval into another.
        crossing: a voice above one that should be higher.
        spacing: soprano and alto, or alto and tenor, more than an octave apart.
        range: notes that lie too high or too low for their voice.
        leaps: a voice that leaps by a tritone, a seventh, or more than an octave.
    """

    fifths: int
    octaves: int
    crossing: int
    spacing: int
    range: int
    leaps: int

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self)


def count(notes: np.ndarray) -> Counts:
    """Count what breaks the rules in a piece, each time once however long it is held.

    Args:
        notes: `(T, 4)`, -1 for silence.

    Example:
        >>> count(np.array([[72, 64, 55, 48], [74, 65, 57, 50]])).fifths  # 48-55 into 50-57
        1
    """
    notes = np.asarray(notes, np.int64)
    fifths = octaves = crossing = spacing = 0
    for lower in range(VOICES):
        for upper in range(lower):
            pair = notes[:, [upper, lower]]
            fifths += int(_parallel(pair[:-1], pair[1:], FIFTH).sum())
            octaves += int(_parallel(pair[:-1], pair[1:], OCTAVE).sum())
    for upper in range(VOICES - 1):
        pair = notes[:, [upper, upper + 1]]
        crossing += _begun(_crossed(pair), pair)
        if upper < len(WIDEST):
            spacing += _begun(_spread(pair, WIDEST[upper]), pair)
    outside = leaps = 0
    for voice, (low, high) in enumerate(RANGES):
        line = notes[:, [voice]]
        outside += _begun(((line < low) | (line > high))[:, 0] & (line[:, 0] != SILENCE), line)
        leaps += int(_leapt(line[:-1, 0], line[1:, 0]).sum())
    return Counts(fifths, octaves, crossing, spacing, outside, leaps)


def kept(notes: np.ndarray, step: int, voice: int, candidates: np.ndarray) -> np.ndarray:
    """Tell which pitches keep the rules at one place, as far as its neighbours are known.

    Args:
        notes: `(T, 4)`, -1 for silence and -2 for what is not known.
        step, voice: the place.
        candidates: MIDI pitches `(C,)`; silence keeps every rule.

    Returns:
        bool `(C,)`.

    Example:
        >>> notes = np.full((2, 4), UNKNOWN)
        >>> notes[0], notes[1, :3] = [72, 64, 55, 48], [74, 65, 57]
        >>> kept(notes, 1, 3, np.array([50, 53])).tolist()
        [False, True]
    """
    candidates = np.asarray(candidates, np.int64)
    low, high = RANGES[voice]
    good = (candidates >= low) & (candidates <= high)
    now = np.asarray(notes[step], np.int64)
    for other in range(VOICES):
        if other == voice or now[other] < 0:
            continue
        pair = _pair(candidates, now[other], voice, other)
        if abs(other - voice) == 1:
            good &= ~_crossed(pair)
            if min(other, voice) < len(WIDEST):
                good &= ~_spread(pair, WIDEST[min(other, voice)])
        for near in (step - 1, step + 1):
            if not 0 <= near < len(notes) or notes[near, voice] < 0 or notes[near, other] < 0:
                continue
            beside = _pair(notes[near, voice], notes[near, other], voice, other)[None]
            first, second = (beside, pair) if near < step else (pair, beside)
            good &= ~_parallel(first, second, FIFTH) & ~_parallel(first, second, OCTAVE)
    for near in (step - 1, step + 1):
        if 0 <= near < len(notes) and notes[near, voice] >= 0:
            good &= ~_leapt(np.full_like(candidates, notes[near, voice]), candidates)
    result: np.ndarray = good | (candidates == SILENCE)
    return result


def _pair(own: np.ndarray, other: int, voice: int, beside: int) -> np.ndarray:
    """Return the upper and the lower of two voices, `(C, 2)`."""
    pair = (own, np.full_like(own, other)) if voice < beside else (np.full_like(own, other), own)
    return np.stack(pair, axis=-1)


def _parallel(first: np.ndarray, second: np.ndarray, interval: int) -> np.ndarray:
    """Tell where two voices go the same way from an interval into the same: `(N, 2)` each."""
    moved = second - first
    same_way = (moved[:, 0] * moved[:, 1]) > 0
    sounding = (first >= 0).all(-1) & (second >= 0).all(-1)
    apart = [(each[:, 0] - each[:, 1]) % 12 == interval for each in (first, second)]
    result: np.ndarray = same_way & sounding & apart[0] & apart[1]
    return result


def _crossed(pair: np.ndarray) -> np.ndarray:
    """Tell where the upper of two voices is below the lower: `(N, 2)`."""
    result: np.ndarray = (pair[:, 0] < pair[:, 1]) & (pair >= 0).all(-1)
    return result


def _spread(pair: np.ndarray, widest: int) -> np.ndarray:
    """Tell where two voices are further apart: `(N, 2)`."""
    result: np.ndarray = (pair[:, 0] - pair[:, 1] > widest) & (pair >= 0).all(-1)
    return result


def _leapt(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Tell where a voice leaps by what cannot well be sung."""
    size = np.abs(second - first)
    wide = np.isin(size, FORBIDDEN_LEAPS) | (size > 12)
    result: np.ndarray = wide & (first >= 0) & (second >= 0)
    return result


def _begun(broken: np.ndarray, lines: np.ndarray) -> int:
    """Count how often what is broken begins, or goes on with other notes."""
    changed = np.ones(len(lines), bool)
    changed[1:] = (lines[1:] != lines[:-1]).any(-1)
    return int((broken & changed).sum())
