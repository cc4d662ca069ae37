"""Music as sound: each voice a few harmonics that fade in and out, as of a soft organ.

References:
    Additive synthesis: Moore 1990, Elements of Computer Music, chapter 3.
"""

import io
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from serving.errors import UsageError
from serving.files import written
from serving.music.grid import VOICES
from serving.music.piece import Piece

RATE = 16_000  # samples a second
HARMONICS = (1.0, 0.5, 0.28, 0.14, 0.08, 0.05)  # how loud each multiple of the pitch is
ATTACK, RELEASE = 0.03, 0.09  # seconds
LOUDNESS = 0.8 / (VOICES * sum(HARMONICS))  # so that nothing is ever clipped
PAUSE = 0.8  # seconds after a piece
MOST_SECONDS = 1800  # of one file, 58 MB; more would take more memory than a server can give


def samples(piece: Piece) -> np.ndarray:
    """Return the sound of a piece, float32 in -1 to 1, `RATE` a second.

    Raises:
        UsageError: it lasts longer than `MOST_SECONDS`.

    Example:
        >>> sound = samples(Piece(np.full((16, 4), 60), tempo=120))
        >>> sound.shape, bool(np.abs(sound).max() <= 1)
        ((33440,), True)
    """
    _check([piece])
    sound = np.zeros(_at(piece.seconds + RELEASE), np.float64)
    for voice in range(VOICES):
        for pitch, begin, end in piece.voice(voice):
            start = _at(begin * piece.step_seconds)
            tone = _tone(pitch, (end - begin) * piece.step_seconds)
            sound[start : start + len(tone)] += tone[: len(sound) - start]
    return (LOUDNESS * sound).astype(np.float32)


def to_bytes(pieces: Sequence[Piece]) -> bytes:
    """Return a WAV file of pieces, one after the other, in 16 bits; the same give the same bytes.

    Raises:
        UsageError: they last longer than `MOST_SECONDS` together.

    Example:
        >>> to_bytes([Piece(np.full((4, 4), 60))])[:4]
        b'RIFF'
    """
    _check(pieces)
    pause = np.zeros(_at(PAUSE), np.float32)
    sound = np.concatenate([part for piece in pieces for part in (samples(piece), pause)])
    levels = np.rint(sound * 32767).astype("<i2")
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(levels.tobytes())
    return stream.getvalue()


def save(pieces: Sequence[Piece], path: str | Path) -> None:
    """Write a WAV file, whole or not at all."""
    with written(path) as file:
        file.write(to_bytes(pieces))


def _check(pieces: Sequence[Piece]) -> None:
    seconds = sum(piece.seconds + PAUSE for piece in pieces)
    if seconds > MOST_SECONDS:
        raise UsageError(
            f"the music lasts {seconds:,.0f} seconds, and a sound file {MOST_SECONDS:,} at most; "
            "write MIDI, or fewer bars"
        )


def _tone(pitch: int, seconds: float) -> np.ndarray:
    """Return one note, with the time that it takes to fade."""
    time = np.arange(_at(seconds + RELEASE)) / RATE  # (samples,)
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    phase = 2 * np.pi * frequency * time
    tone = np.zeros_like(time)
    for multiple, loudness in enumerate(HARMONICS, start=1):
        if multiple * frequency < RATE / 2:  # what is higher would come back as another pitch
            tone += loudness * np.sin(multiple * phase)
    rise = np.minimum(1, time / ATTACK)
    fall = np.clip((seconds + RELEASE - time) / RELEASE, 0, 1)
    faded: np.ndarray = tone * rise * fall
    return faded


def _at(seconds: float) -> int:
    return round(seconds * RATE)
