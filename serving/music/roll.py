"""Piano rolls: pictures of music, high notes at the top, a colour for each voice."""

from collections.abc import Sequence

import numpy as np

from serving.music.grid import SILENCE, STEPS_PER_BAR, STEPS_PER_BEAT, VOICES
from serving.music.piece import Piece

ACROSS, DOWN = 4, 5  # pixels of a sixteenth, and of a semitone
COLOURS = ((200, 60, 50), (215, 140, 30), (60, 140, 80), (45, 90, 170))  # from the soprano down
BLACK_KEYS = (1, 3, 6, 8, 10)
WHITE, SHADED, BEAT, BAR = (255, 255, 255), (243, 243, 245), (232, 232, 236), (190, 190, 198)
MARGIN, GAP = 2, 8  # semitones above and below; pixels between pieces
BARS_ACROSS = 16  # in a row of the picture; longer pieces go on below


def picture(pieces: Sequence[Piece]) -> np.ndarray:
    """Draw pieces, one below the other: uint8 `(H, W, 3)`.

    Example:
        >>> picture([Piece(np.full((16, 4), 60))]).shape
        (25, 64, 3)
    """
    row = BARS_ACROSS * STEPS_PER_BAR
    sounding = [piece.notes[piece.notes != SILENCE] for piece in pieces]
    notes = np.concatenate([*sounding, [60]] if not any(map(len, sounding)) else sounding)
    low, high = int(notes.min()) - MARGIN, int(notes.max()) + MARGIN
    rolls = [
        _roll(piece.notes[begin : begin + row], low, high)
        for piece in pieces
        for begin in range(0, piece.steps, row)
    ]
    width = max(roll.shape[1] for roll in rolls)
    height = rolls[0].shape[0]
    sheet = np.full((len(rolls) * (height + GAP) - GAP, width, 3), 255, np.uint8)
    for index, roll in enumerate(rolls):
        top = index * (height + GAP)
        sheet[top : top + height, : roll.shape[1]] = roll
    return sheet


def _roll(notes: np.ndarray, low: int, high: int) -> np.ndarray:
    """Draw one row, from the pitch `low` to the pitch `high`."""
    steps, pitches = len(notes), high - low + 1
    cells = np.empty((pitches, steps, 3), np.uint8)  # the lowest pitch first
    shaded = [(low + index) % 12 in BLACK_KEYS for index in range(pitches)]
    cells[:] = np.where(np.array(shaded)[:, None, None], SHADED, WHITE)
    for voice in reversed(range(VOICES)):
        sounding = np.flatnonzero(notes[:, voice] != SILENCE)
        cells[notes[sounding, voice] - low, sounding] = COLOURS[voice]
    roll = cells[::-1].repeat(DOWN, axis=0).repeat(ACROSS, axis=1)
    empty = (roll == WHITE).all(-1) | (roll == SHADED).all(-1)
    for every, colour in ((STEPS_PER_BEAT, BEAT), (STEPS_PER_BAR, BAR)):
        lines = np.zeros(roll.shape[1], bool)
        lines[:: every * ACROSS] = True
        roll[empty & lines] = colour
    _mark_beginnings(roll, notes, high)
    return roll


def _mark_beginnings(roll: np.ndarray, notes: np.ndarray, high: int) -> None:
    """Draw a light edge where a note begins, so that neighbours of one pitch can be told apart."""
    before = np.vstack([np.full((1, VOICES), SILENCE - 1), notes[:-1]])
    for step, voice in np.argwhere((notes != before) & (notes != SILENCE)):
        top = (high - int(notes[step, voice])) * DOWN
        column = roll[top : top + DOWN, step * ACROSS]
        column[:] = column // 2 + 128
