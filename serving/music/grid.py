"""The grid that music is written on, and the tokens that stand for it.

A piece is an int16 array `(T, 4)`: for each sixteenth the MIDI pitches of soprano, alto, tenor and
bass, -1 for silence. A held note and one that is struck again look the same. Its tokens are the
notes row by row, so that the position of a token says its voice and its place in the bar.
"""

from typing import NamedTuple

import numpy as np

VOICES = 4
VOICE_NAMES = ("soprano", "alto", "tenor", "bass")
STEPS_PER_BEAT, STEPS_PER_BAR = 4, 16  # sixteenths of a quarter, and of a bar of four quarters
BAR = VOICES * STEPS_PER_BAR  # notes, each of which is a token
SILENCE = -1


class Pitches(NamedTuple):
    """The pitches that tokens stand for, in rising order: token 0 is silence, 1 the lowest.

    The last token is the blank: what is not known, and what comes before the first note.

    Attributes:
        lowest, highest: MIDI numbers.

    Example:
        >>> pitches = Pitches(36, 81)
        >>> pitches.tokens(np.array([[60, 55, -1, 36]], np.int16)).tolist()
        [25, 20, 0, 1]
        >>> pitches.notes(np.array([25, 20, 0, 1])).tolist()
        [[60, 55, -1, 36]]
    """

    lowest: int
    highest: int

    @property
    def blank(self) -> int:
        """The token of what is not known; it is never drawn."""
        return self.highest - self.lowest + 2

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are, silence and the blank included."""
        return self.blank + 1

    def tokens(self, notes: np.ndarray) -> np.ndarray:
        """Return the tokens of notes: `(..., T, 4)` in range or silent -> int32 `(..., 4 T)`."""
        ids = np.where(notes < 0, 0, notes.astype(np.int32) - (self.lowest - 1))
        tokens: np.ndarray = ids.astype(np.int32).reshape(*notes.shape[:-2], -1)
        return tokens

    def notes(self, tokens: np.ndarray) -> np.ndarray:
        """Return the notes of tokens, none of them blank: `(..., 4 T)` -> int16 `(..., T, 4)`."""
        pitches = np.where(tokens == 0, SILENCE, tokens + (self.lowest - 1)).astype(np.int16)
        return pitches.reshape(*tokens.shape[:-1], -1, VOICES)

    def hold(self, notes: np.ndarray) -> bool:
        """Tell whether all notes are in range or silent."""
        sounding = notes[notes != SILENCE]
        return not sounding.size or bool(
            sounding.min() >= self.lowest and sounding.max() <= self.highest
        )
