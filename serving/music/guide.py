"""What the notes of a piece may be while it is drawn: those that are given, a key, the rules."""

import numpy as np

from serving.music import keys, rules
from serving.music.grid import SILENCE, VOICES, Pitches
from serving.music.rules import UNKNOWN

BASS = VOICES - 1


class Guide:
    """One piece in the making, and what may be drawn at each of its places.

    It is a constraint of `serving.text.sampling.Sampler`: `allowed` and `take` are of the notes
    that are not given, in the order of time; `allowed_at` and `put` are of any place.

    Args:
        given: `(T, 4)`, -2 for what is to be drawn.
        pitches: that the model has tokens for.
        key: whose chord the piece begins with; None for any.
        keep_rules: whether notes that break a rule are left out, as long as others are left.

    Attributes:
        notes: `(T, 4)`, -2 for what is not drawn yet.
        open: `(T, 4)`, whether a note was to be drawn.

    Example:
        >>> guide = Guide(np.array([[72, 67, UNKNOWN, 48]]), Pitches(36, 81))
        >>> int(guide.allowed_at(0, 2).min()), len(guide.allowed_at(0, 2))
        (0, 47)
    """

    def __init__(
        self,
        given: np.ndarray,
        pitches: Pitches,
        key: str | None = None,
        keep_rules: bool = False,
    ):
        self.notes = given.astype(np.int64)
        self.open = self.notes == UNKNOWN
        self.pitches, self._key, self._keep_rules = pitches, key, keep_rules
        self._ids = np.arange(pitches.blank)
        self._sung = np.where(self._ids == 0, SILENCE, self._ids + (pitches.lowest - 1))
        self._at = 0  # of the notes in the order of time

    # --- in the order of time ---

    @property
    def length(self) -> int:
        """How many notes the piece has, silence included."""
        return int(self.notes.size)

    @property
    def begun(self) -> int:
        """How many notes at its beginning are given."""
        flat = self.open.ravel()
        return int(flat.argmax()) if flat.any() else self.length

    def start(self, at: int) -> None:
        """Go to a note: what is taken next is its."""
        self._at = at

    @property
    def finished(self) -> bool:
        """Whether the last note was taken."""
        return self._at >= self.length

    def allowed(self) -> np.ndarray:
        """Return the tokens that the next note may be, in rising order."""
        step, voice = divmod(self._at, VOICES)
        if not self.open[step, voice]:
            return self.pitches.tokens(self.notes[step : step + 1, voice : voice + 1])
        return self.allowed_at(step, voice)

    def take(self, token: int) -> None:
        """Set the next note."""
        step, voice = divmod(self._at, VOICES)
        self.put(step, voice, token)
        self._at += 1

    # --- at any place ---

    def allowed_at(self, step: int, voice: int) -> np.ndarray:
        """Return the tokens that a note may be, in rising order; never none."""
        good = np.ones(len(self._ids), bool)
        if self._key is not None and step == 0:
            chord = keys.triad(self._key)
            classes = chord[:1] if voice == BASS else chord
            good = np.isin(self._sung % 12, classes) & (self._sung != SILENCE)
        if self._keep_rules:
            keeping = good & rules.kept(self.notes, step, voice, self._sung)
            good = keeping if (keeping & (self._sung != SILENCE)).any() else good
        return self._ids[good]

    def put(self, step: int, voice: int, token: int) -> None:
        """Set a note."""
        self.notes[step, voice] = self._sung[token]

    def lift(self, places: np.ndarray) -> None:
        """Forget notes that were drawn: bool `(T, 4)`."""
        self.notes[places] = UNKNOWN

    def tokens(self) -> np.ndarray:
        """Return the tokens of all notes, the blank where one is not drawn yet: int64 `(4 T,)`."""
        tokens = self.pitches.tokens(np.maximum(self.notes, SILENCE)).astype(np.int64)
        tokens[(self.notes == UNKNOWN).ravel()] = self.pitches.blank
        return tokens
