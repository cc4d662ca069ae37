"""A piece of music: what is sung when, and how fast."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from serving.errors import UsageError
from serving.music.grid import SILENCE, STEPS_PER_BAR, STEPS_PER_BEAT, VOICES
from serving.numbers import real

TEMPO = 84.0  # quarters a minute, where nothing is said
SLOWEST, FASTEST = 20.0, 400.0
LONGEST = 16 * 4096  # steps of a piece


@dataclass(frozen=True, eq=False)
class Piece:
    """Four voices on a grid of sixteenths.

    Args:
        notes: MIDI pitches `(T, 4)` of soprano, alto, tenor and bass, -1 for silence.
        tempo: quarters a minute, 20 to 400.

    Raises:
        UsageError: the notes are not of this form, or the tempo is out of range.

    Example:
        >>> piece = Piece(np.full((16, 4), 60), tempo=120)
        >>> piece.notes.dtype, piece.steps, piece.bars, piece.seconds
        (dtype('int16'), 16, 1.0, 2.0)
    """

    notes: np.ndarray
    tempo: float = field(default=TEMPO)

    def __post_init__(self) -> None:
        try:
            notes = np.asarray(self.notes)
        except ValueError:  # rows of different lengths
            raise UsageError(f"notes are not all of one shape; {_EXPECTED}") from None
        whole = notes.dtype.kind in "iu" or (
            notes.dtype.kind == "f" and bool((notes == np.rint(notes)).all())
        )
        if notes.ndim != 2 or notes.shape[1] != VOICES or not whole:
            raise UsageError(f"notes are {notes.dtype} {notes.shape}; {_EXPECTED}")
        if not 1 <= len(notes) <= LONGEST:
            raise UsageError(f"a piece has {len(notes)} sixteenths; expected 1 to {LONGEST}")
        if notes.min() < SILENCE or notes.max() > 127:
            wrong = notes.min() if notes.min() < SILENCE else notes.max()
            raise UsageError(f"a note is {wrong}; expected pitches 0 to 127, or -1 for silence")
        object.__setattr__(self, "notes", notes.astype(np.int16))
        object.__setattr__(self, "tempo", real(self.tempo, "tempo", SLOWEST, FASTEST))

    @property
    def steps(self) -> int:
        """Its length in sixteenths."""
        return len(self.notes)

    @property
    def bars(self) -> float:
        """Its length in bars of four quarters."""
        return self.steps / STEPS_PER_BAR

    @property
    def step_seconds(self) -> float:
        """How long a sixteenth lasts."""
        return 60 / self.tempo / STEPS_PER_BEAT

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.steps * self.step_seconds

    def voice(self, index: int) -> list[tuple[int, int, int]]:
        """Return the notes of a voice: pitch, first step, and the step after its last.

        Example:
            >>> Piece(np.array([[60, 55, 52, 48], [60, -1, 52, 50]])).voice(3)
            [(48, 0, 1), (50, 1, 2)]
        """
        line = self.notes[:, index]
        borders = np.flatnonzero(np.diff(line, prepend=-2, append=-2))
        return [
            (int(line[begin]), int(begin), int(end))
            for begin, end in pairwise(borders)
            if line[begin] != SILENCE
        ]


_EXPECTED = "expected whole numbers (T, 4): soprano, alto, tenor and bass of each sixteenth"
