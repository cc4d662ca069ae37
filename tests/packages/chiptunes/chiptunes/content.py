"""Patterns: int `(N, steps, voices)`, 0 for silence and n for the n-th note of the scale."""

import json
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.content.content import Content, Distance, Processing, one_of
from serving.errors import UsageError
from serving.files import replacing

SCALE = (0, 2, 4, 7, 9)  # semitones of a pentatonic scale
RATE, STEP = 8000, 0.12  # samples a second, seconds of a sixteenth
ZOOM = 4  # pixels of a note in a picture


class PatternContent(Content):
    """Patterns in files of JSON, or as sound."""

    name, noun, unit = "pattern", "pattern", "patterns"

    def read(self, paths: Sequence[Path], processing: Processing) -> np.ndarray:
        try:
            return np.concatenate([np.asarray(json.loads(path.read_text())) for path in paths])
        except (OSError, ValueError) as error:
            raise UsageError(f"{paths[0]} holds no patterns: {error}") from None

    def writer(self, out: str, count: int, processing: Processing) -> Callable[[Any], None]:
        save = one_of(out, {".json": _save_json, ".wav": _save_wave}, "write")
        return lambda value: save(value, Path(out))

    def default_out(self, name: str) -> str:
        return f"{name}.wav"

    def picture(self, value: Any, processing: Processing) -> np.ndarray:
        """Draw a piano roll: patterns below each other, high notes at the top."""
        count, steps, _ = value.shape
        notes = processing["notes"]
        roll = np.full((count, notes, steps, 1), 255, np.uint8)
        rows, columns, _ = np.nonzero(value)
        roll[rows, notes - value[value > 0], columns] = 0
        sheet = roll.reshape(count * notes, steps, 1)  # (N notes, steps, 1)
        return sheet.repeat(ZOOM, axis=0).repeat(ZOOM, axis=1)

    def compare(self, found: Any, expected: Any) -> Distance:
        differing = int(np.sum(found != expected))
        return Distance(f"{differing} notes unlike those of Keras", differing <= len(expected))


def _save_json(value: np.ndarray, path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value.tolist()) + "\n")


def _save_wave(value: np.ndarray, path: Path) -> None:
    time = np.arange(int(RATE * STEP)) / RATE
    sound = [
        sum(_square(note, time) for note in step) for step in value.reshape(-1, value.shape[2])
    ]
    samples = np.concatenate(sound)
    with replacing(path) as temporary, wave.open(str(temporary), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(RATE)
        file.writeframes((128 + 40 * samples).astype(np.uint8).tobytes())


def _square(note: int, time: np.ndarray) -> np.ndarray:
    if note == 0:
        return np.zeros_like(time)
    octave, degree = divmod(note - 1, len(SCALE))
    frequency = 220 * 2 ** (octave + SCALE[degree] / 12)
    return np.sign(np.sin(2 * np.pi * frequency * time))
