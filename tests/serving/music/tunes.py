"""Short pieces in four voices that are made up: plain chords, each voice moving now and then."""

from pathlib import Path

import numpy as np

from serving.music import midi
from serving.music.piece import Piece

CHORDS = ((72, 67, 64, 48), (72, 69, 65, 53), (71, 67, 62, 55), (72, 64, 60, 57))


def piece(seed: int = 0, bars: int = 2, tempo: float = 84.0) -> Piece:
    """Return a piece of chords of a quarter each, a few notes of them silent."""
    random = np.random.RandomState(seed)
    chords = np.array(CHORDS)[random.randint(len(CHORDS), size=4 * bars)]  # (quarters, 4)
    chords = chords + seed % 5 - 2  # in one of five keys
    chords = np.where(random.random_sample(chords.shape) < 0.05, -1, chords)
    chords[0] = np.array(CHORDS[0]) + seed % 5 - 2
    return Piece(chords.repeat(4, axis=0), tempo)


def folder(path: Path, count: int = 8, bars: int = 4) -> Path:
    """Write a folder of MIDI files."""
    path.mkdir(parents=True)
    for seed in range(count):
        midi.save(piece(seed, bars), path / f"{seed:02d}.mid")
    return path
