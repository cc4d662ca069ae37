"""The pieces that a network of music learns from: a data set, or a folder of MIDI files."""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from serving.errors import UsageError
from serving.music import midi
from serving.music.grid import VOICES, Pitches
from zoo.config import Config
from zoo.data import fingerprint, sources
from zoo.data.files import listed, own_path
from zoo.data.sources import SourceInfo

PARTS = ("train", "validation", "test")
SUFFIXES = (".mid", ".midi")
TENTH = 10  # of the files of a folder one in so many is validated on, and one in so many tested

Parts = dict[str, list[np.ndarray]]


class MusicDataConfig(Config):
    """The `[data]` table of a recipe of music.

    Args:
        name: `jsb_chorales`, or another data set with `notes`, int `(T, 4)`; or a folder of MIDI
            files of four voices or fewer, as `./songs` or `folder:songs`.
        bars: length of what is trained on at once; the context of the model unless given.
        transpose: semitones up and down that a piece is moved by in training, as far as each voice
            stays within what the training part has of it.
        limit: use only the first so many pieces of each part.
    """

    name: str
    bars: Annotated[int, Field(ge=1)] | None = None
    transpose: Annotated[int, Field(ge=0, le=12)] = 0
    limit: Annotated[int, Field(ge=1)] | None = None

    def places(self) -> dict[str, Path]:
        """Return where a folder of MIDI files lies."""
        path = own_path(self.name)
        return {"name": path.absolute()} if path else {}


def read(config: MusicDataConfig, pitches: Pitches) -> tuple[Parts, SourceInfo]:
    """Read all pieces, int16 `(T, 4)` each, by the part that they belong to.

    Raises:
        UsageError: there are no such pieces, too few, or with pitches that the model does not know.
    """
    path = own_path(config.name)
    parts, source = _read_own(path, config.name) if path else _read_public(config.name)
    parts = {part: pieces[: config.limit] for part, pieces in parts.items()}
    for part, pieces in parts.items():
        if not pieces:
            raise UsageError(f"'{config.name}' has no pieces to {_USES[part]}; expected some")
        for index, piece in enumerate(pieces):
            if not pitches.hold(piece):
                sung = piece[piece >= 0]
                raise UsageError(
                    f"piece {index} of the {part} part of '{config.name}' has pitches "
                    f"{sung.min()} to {sung.max()}, and the model knows {pitches.lowest} to "
                    f"{pitches.highest}; set model.lowest and model.highest"
                )
    return parts, source


_USES = {"train": "train on", "validation": "validate on", "test": "test on"}


def shifts(pieces: list[np.ndarray], most: int) -> np.ndarray:
    """Return how far each piece can be moved down and up, int32 `(N, 2)`, down being negative.

    Args:
        pieces: `(T, 4)` each.
        most: semitones.

    Example:
        >>> shifts([np.array([[60, 55, 52, 48]]), np.array([[62, 55, 52, 47]])], 6).tolist()
        [[0, 0], [0, 0]]
    """
    together = np.concatenate(pieces)
    ranges = [_range(together[:, voice]) for voice in range(VOICES)]
    found = []
    for piece in pieces:
        down, up = -most, most
        for voice, (low, high) in enumerate(ranges):
            lowest, highest = _range(piece[:, voice])
            if highest >= 0:
                down, up = max(down, low - lowest), min(up, high - highest)
        found.append((min(down, 0), max(up, 0)))
    return np.array(found, np.int32)


def _range(line: np.ndarray) -> tuple[int, int]:
    """Return the lowest and highest note of a voice, -1 of one that is silent."""
    sung = line[line >= 0]
    return (int(sung.min()), int(sung.max())) if len(sung) else (-1, -1)


def _read_public(name: str) -> tuple[Parts, SourceInfo]:
    builder = sources.prepare(name)
    source = sources.describe(builder)
    missing = [part for part in PARTS if part not in source.splits]
    if source.kind != "notes" or missing:
        lacks = f", and no {missing[0]} part" if missing else ""
        raise UsageError(f"data set '{name}' holds {source.kind}{lacks}; expected parts of music")
    parts = {
        part: [
            np.asarray(example["notes"], np.int16)
            for example in builder.as_dataset(split=part).as_numpy_iterator()
        ]
        for part in PARTS
    }
    return parts, source


def _read_own(path: Path, name: str) -> tuple[Parts, SourceInfo]:
    if not path.is_dir():
        raise UsageError(f"there is no folder {path}; give a folder of MIDI files")
    files = listed(path, SUFFIXES)
    if len(files) < len(PARTS):
        raise UsageError(
            f"folder {path} holds {len(files)} MIDI files; expected {len(PARTS)} or more, to train "
            "on, to validate and to test"
        )
    sha256 = fingerprint.of_files(path, files)
    pieces = [midi.read(path / file).notes for file in files]
    every = min(TENTH, len(files))
    parts: Parts = {part: [] for part in PARTS}
    for index, piece in enumerate(pieces):
        place = every - 1 - index % every
        parts[{0: "test", 1: "validation"}.get(place, "train")].append(piece)
    return parts, SourceInfo(
        name=name,
        version=f"sha256:{sha256[:16]}",
        kind="notes",
        license="not stated",
        splits={part: len(own) for part, own in parts.items()},
        fingerprint=sha256,
    )
