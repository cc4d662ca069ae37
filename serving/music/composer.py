"""Makes music with a network, whatever runs it: from nothing, a beginning, or some voices."""

import secrets
from collections.abc import Sequence

import numpy as np

from serving.errors import UsageError
from serving.music.drawing import Drawer
from serving.music.grid import SILENCE, STEPS_PER_BAR, VOICE_NAMES, VOICES, Pitches
from serving.music.guide import Guide
from serving.music.piece import LONGEST, Piece
from serving.music.rules import UNKNOWN
from serving.noise import SEED_LIMIT, checked_seed
from serving.text.sampling_config import SamplingConfig

AT_ONCE = 16  # pieces drawn at the same time where more are asked for


class Composer:
    """Draws pieces, each from its own seed.

    Args:
        drawer: of the network.
        pitches: that the network has tokens for.

    Attributes:
        last_seed: of the last call, to get the same again.
    """

    def __init__(self, drawer: Drawer, pitches: Pitches):
        self.drawer, self.pitches = drawer, pitches
        self.last_seed: int | list[int] | None = None

    def compose(
        self,
        given: np.ndarray,
        tempo: float,
        n: int,
        seed: int | None,
        settings: SamplingConfig,
        *,
        key: str | None = None,
        rules: bool = False,
        drawer: Drawer | None = None,
    ) -> list[Piece]:
        """Draw what is open of a piece, `n` times.

        Args:
            given: `(T, 4)`, -2 for what is open.
            tempo: of the pieces.
            n: how many, of the seeds `seed`, `seed + 1` and so on.
            seed: a fresh one if None.
            settings: how notes are drawn.
            key: whose chord the piece begins with.
            rules: whether notes that break a rule are left out as long as others are left.
            drawer: another than the composer's own.
        """
        first = secrets.randbelow(SEED_LIMIT) if seed is None else checked_seed(seed)
        seeds = [(first + at) % SEED_LIMIT for at in range(n)]
        pieces = []
        for begin in range(0, n, AT_ONCE):
            some = seeds[begin : begin + AT_ONCE]
            guides = [Guide(given, self.pitches, key, rules) for _ in some]
            (drawer or self.drawer).draw(guides, some, settings)
            pieces += [Piece(guide.notes, tempo) for guide in guides]
        self.last_seed = first
        return pieces

    def known(self, pieces: Piece | Sequence[Piece], what: str) -> Piece:
        """Return the one piece that is given, all of whose notes the network knows.

        Raises:
            UsageError: there are several, or it has other notes.
        """
        if not isinstance(pieces, Piece):
            if len(pieces) != 1:
                raise UsageError(f"{len(pieces)} pieces are given as {what}; expected one")
            pieces = pieces[0]
        if not self.pitches.hold(pieces.notes):
            sung = pieces.notes[pieces.notes != SILENCE]
            low, high = self.pitches
            wrong = int(sung.min()) if sung.min() < low else int(sung.max())
            raise UsageError(
                f"{what} has pitch {wrong}; this model knows {low} to {high}, so transpose it"
            )
        return pieces


def emptied(steps: int) -> np.ndarray:
    """Return so many sixteenths of which nothing is given: `(T, 4)`."""
    return np.full((steps, VOICES), UNKNOWN, np.int64)


def lengthened(piece: Piece, bars: int) -> np.ndarray:
    """Return a piece that goes on for so many bars, the rest of its last one among them.

    Raises:
        UsageError: it becomes longer than a piece can be.
    """
    rest = -piece.steps % STEPS_PER_BAR
    if piece.steps + rest + bars * STEPS_PER_BAR > LONGEST:
        raise UsageError(
            f"the piece and {bars} bars are more than {LONGEST // STEPS_PER_BAR} bars; begin with "
            "its end alone"
        )
    return np.concatenate([piece.notes, emptied(rest + bars * STEPS_PER_BAR)])


def under(melody: Piece) -> np.ndarray:
    """Return a melody under which the other voices are open.

    Raises:
        UsageError: the highest voice is silent.
    """
    line = melody.notes[:, 0]
    if (line == SILENCE).all():
        raise UsageError("the melody is silent; expected notes in the highest voice")
    given = emptied(melody.steps)
    given[:, 0] = line
    return given


def opened(
    piece: Piece, voices: str | Sequence[str], first: int | None, last: int | None
) -> np.ndarray:
    """Return a piece with some of it open: voices, bars, or what is silent.

    Args:
        piece: as it is.
        voices: names of voices, with commas or spaces between them; all unless given.
        first, last: bars, from 1; the first and the last of the piece unless given. Where neither
            voices nor bars are given, what is silent is open.

    Raises:
        UsageError: there are no such voices or bars, or nothing is silent.
    """
    given = piece.notes.astype(np.int64)
    if not voices and first is None and last is None:
        if not (given == SILENCE).any():
            raise UsageError("nothing of the piece is silent; name voices or bars to fill")
        given[given == SILENCE] = UNKNOWN
        return given
    bars = -(-piece.steps // STEPS_PER_BAR)
    begin, end = first or 1, bars if last is None else last
    if not 1 <= begin <= end <= bars:
        raise UsageError(f"bars {begin} to {end} are not in the piece, which has bars 1 to {bars}")
    chosen = _voices(voices)
    given[(begin - 1) * STEPS_PER_BAR : end * STEPS_PER_BAR, chosen] = UNKNOWN
    return given


def _voices(names: str | Sequence[str]) -> list[int]:
    """Return the voices of some names, all of none."""
    words = names.replace(",", " ").split() if isinstance(names, str) else list(names)
    found = []
    for word in words:
        matches = [index for index, name in enumerate(VOICE_NAMES) if name.startswith(word.lower())]
        if len(matches) != 1:
            raise UsageError(f"no voice is called '{word}'; expected {', '.join(VOICE_NAMES)}")
        found += matches
    return found or list(range(VOICES))
