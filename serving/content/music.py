"""Music: pieces in four voices, one alone or a list of them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from serving.content import pictures
from serving.content.content import SOUND, Content, Distance, Processing, one_of
from serving.errors import UsageError
from serving.files import write_each
from serving.music import midi, roll, sound
from serving.music.grid import SILENCE, STEPS_PER_BAR, VOICES
from serving.music.piece import Piece
from serving.numbers import shown

Pieces = Piece | Sequence[Piece]
SUFFIXES = (".mid", ".midi")
TURNS = 1  # pieces that may part: where two notes are all but even, rounding decides between them
BETWEEN = STEPS_PER_BAR  # sixteenths of silence between the pieces of one MIDI file


class MusicContent(Content):
    """Pieces, in MIDI files; as sound in `.wav`, and as a piano roll in `.png`.

    Example:
        >>> content = MusicContent()
        >>> content.writer("tune.mid", 1, {})(Piece(np.full((16, 4), 60)))
        >>> content.read([Path("tune.mid")], {}).bars
        1.0
    """

    name, noun, unit = "piece", "piece", "notes"
    beside = {SOUND: "Listen to them", "samples.mid": "MIDI file"}
    media = {".mid": "audio/midi"}
    shown = {".wav": "audio/wav", ".png": "image/png"}  # are written, and not read

    def made_files(self) -> Mapping[str, str]:
        return self.media | self.shown

    def read(self, paths: Sequence[Path], processing: Processing) -> Pieces:
        """Return the piece of a MIDI file; a list of those of several, or of a folder."""
        found = [path for each in paths for path in _files(each)]
        pieces = [midi.read(path) for path in found]
        return pieces[0] if len(pieces) == 1 else pieces

    def writer(self, out: str, count: int, processing: Processing) -> Callable[[Any], None]:
        """Return what writes pieces: several one after the other, or in a folder a file of each."""
        kinds = {".mid": _save_midi, ".midi": _save_midi, ".wav": _save_sound, ".png": _save_roll}
        save = one_of(out, kinds | {"": _save_each}, "write")
        return lambda value: save(_several(value), out)

    def default_out(self, name: str) -> str:
        return f"{name}.mid"

    def from_json(self, value: Any, processing: Processing) -> Pieces:
        """Return what a value of JSON stands for: `data:` addresses, or notes and tempo.

        Example:
            >>> MusicContent().from_json({"notes": [[60, 55, 52, 48]], "tempo": 90}, {}).tempo
            90.0
        """
        values = value if isinstance(value, list) else [value]
        if any(isinstance(each, str) for each in values):
            pieces: Pieces = super().from_json(value, processing)
            return pieces
        found = [_from_object(each) for each in values]
        return found if isinstance(value, list) else found[0]

    def to_json(self, value: Any, processing: Processing) -> Any:
        """Return notes and tempo of a piece, or of each of several."""
        if isinstance(value, Piece):
            return {"notes": value.notes.tolist(), "tempo": value.tempo}
        return [self.to_json(each, processing) for each in value]

    def picture(self, value: Any, processing: Processing) -> np.ndarray:
        return roll.picture(_several(value))

    def write_samples(self, value: Any, processing: Processing, stem: Path) -> None:
        """Write the piano roll, and beside it what can be played and heard."""
        super().write_samples(value, processing, stem)
        for suffix in (".mid", ".wav"):
            self.writer(str(stem.with_suffix(suffix)), self.count(value), processing)(value)

    def compare(self, found: Any, expected: Any) -> Distance:
        """Compare pieces of the same seeds, note by note.

        Example:
            >>> piece = Piece(np.full((16, 4), 60))
            >>> MusicContent().compare([piece], [piece]).words
            '1 of 1 pieces like those of Keras'
        """
        pairs = list(zip(_several(found), _several(expected), strict=True))
        same = [np.array_equal(one.notes, other.notes) for one, other in pairs]
        words = f"{sum(same)} of {len(same)} pieces like those of Keras"
        return Distance(words, len(same) - sum(same) <= TURNS)

    def count(self, value: Any) -> int:
        return 1 if isinstance(value, Piece) else len(value)


def _several(value: Any) -> list[Piece]:
    return [value] if isinstance(value, Piece) else list(value)


def _files(path: Path) -> list[Path]:
    """Return the MIDI files of a path: itself, or those of a folder."""
    if not path.is_dir():
        return [path]
    found = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
    if not found:
        raise UsageError(f"{path} holds no MIDI files; expected names in .mid")
    return found


def _from_object(value: Any) -> Piece:
    """Return the piece of a JSON object."""
    if not isinstance(value, dict) or "notes" not in value or value.keys() - {"notes", "tempo"}:
        raise UsageError(
            f"a piece in JSON is {shown(value)}; expected a MIDI file as a data: address, or an "
            "object of notes, and tempo if it is known"
        )
    return Piece(**value)


def joined(pieces: Sequence[Piece]) -> Piece:
    """Return pieces as one, with a bar of silence between them, in the tempo of the first."""
    silence = np.full((BETWEEN, VOICES), SILENCE, np.int16)
    parts = [part for piece in pieces for part in (piece.notes, silence)]
    return Piece(np.concatenate(parts[:-1]), pieces[0].tempo)


def _save_midi(pieces: Sequence[Piece], path: str) -> None:
    midi.save(joined(pieces), path)


def _save_sound(pieces: Sequence[Piece], path: str) -> None:
    sound.save(pieces, path)


def _save_roll(pieces: Sequence[Piece], path: str) -> None:
    pictures.save(roll.picture(pieces), path)


def _save_each(pieces: Sequence[Piece], out: str) -> None:
    """Write a folder with a MIDI file of each piece, all or none."""
    write_each(out, {f"{at:05d}.mid": partial(midi.save, each) for at, each in enumerate(pieces)})
