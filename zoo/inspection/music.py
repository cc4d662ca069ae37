"""What a set of pieces of music holds: which are refused and why, their lengths and ranges."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from serving.content.music import SUFFIXES
from serving.errors import UsageError
from serving.music import midi, roll
from serving.music.grid import SILENCE, STEPS_PER_BAR, VOICE_NAMES
from serving.music.piece import Piece
from zoo.inspection.layout import Item, counts, faults_of_classes, faults_of_names
from zoo.inspection.pictures import copied
from zoo.inspection.report import Finding, Report, in_order

BARS_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Heard:
    """A piece, and what is odd about it alone; no piece where it is refused."""

    item: Item
    piece: Piece | None
    findings: tuple[Finding, ...] = ()


def inspect_folder(name: str, root: Path, items: Sequence[Item]) -> Report:
    """Read every file of a folder of music, as training would."""
    heard = [_read(root, item) for item in items]
    return report(name, heard, faults_of_names(item.name for item in items))


def _read(root: Path, item: Item) -> Heard:
    path = root / item.name
    suffix = PurePosixPath(item.name).suffix.lower()
    if suffix not in SUFFIXES:
        return _bad(item, "stray", f"{suffix or 'a file without suffix'}, among music")
    try:
        if not path.stat().st_size:
            return _bad(item, "empty", "the file has a length of 0")
        return Heard(item, midi.read(path))
    except OSError as error:
        return _bad(item, "unreadable", error.strerror or "cannot be read")
    except UsageError as error:
        return _bad(item, "refused", str(error).removeprefix(f"{path} "))


def _bad(item: Item, fault: str, words: str) -> Heard:
    return Heard(item, None, (Finding.of(fault, item.name, words),))


def report(name: str, heard: Sequence[Heard], names: Iterator[Finding] | tuple = ()) -> Report:
    """Return what is to be said of all pieces.

    Raises:
        UsageError: not one is music.
    """
    pieces = {each.item: each.piece for each in heard if each.piece is not None}
    if not pieces:
        first = next((each.findings[0] for each in heard), None)
        hint = f"; {first.files[0]}: {first.words}" if first else ""
        raise UsageError(f"{name} has no music that can be read, of {len(heard)}{hint}")
    items = [each.item for each in heard]
    findings = [
        *(finding for each in heard for finding in each.findings),
        *names,
        *_copies(pieces),
        *faults_of_classes(items, list(pieces)),
    ]
    named = {item.name: piece for item, piece in pieces.items()}

    def samples(names: Iterable[str]) -> dict[str, np.ndarray]:
        return {each: _picture(named[each]) for each in names if each in named}

    facts = counts(list(pieces)) | _facts(list(pieces.values()))
    return Report(name, "notes", len(heard), facts, in_order(findings), tuple(named), samples)


def _picture(piece: Piece) -> np.ndarray:
    """Return the piano roll of the beginning of a piece."""
    return roll.picture([Piece(piece.notes[: BARS_SHOWN * STEPS_PER_BAR], piece.tempo)])


def _facts(pieces: Sequence[Piece]) -> dict[str, Any]:
    together = np.concatenate([piece.notes for piece in pieces])  # (T, 4)
    ranges, silent = {}, {}
    for index, voice in enumerate(VOICE_NAMES):
        line = together[:, index]
        sung = line[line != SILENCE]
        silent[voice] = round(float((line == SILENCE).mean()), 4)
        if len(sung):
            ranges[voice] = {"lowest": int(sung.min()), "highest": int(sung.max())}
    return {
        "bars": _spread([piece.bars for piece in pieces]),
        "seconds": _spread([round(piece.seconds, 1) for piece in pieces]),
        "tempo": _spread([piece.tempo for piece in pieces]),
        **{f"range_of_{voice}": held for voice, held in ranges.items()},
        "silence": silent,
        "notes": int(sum(len(piece.voice(voice)) for piece in pieces for voice in range(4))),
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {
        "least": float(min(values)),
        "median": float(np.median(values)),
        "most": float(max(values)),
    }


def _copies(pieces: dict[Item, Piece]) -> Iterator[Finding]:
    """Yield pieces that are there twice: with the same notes, or the same in another key."""
    order = sorted(pieces, key=lambda each: (each.rank, each.name))
    same, moved = defaultdict(list), defaultdict(list)
    for item in order:
        same[_digest(pieces[item].notes)].append(item)
    for items in same.values():
        if len(items) > 1:
            yield copied("duplicate", items, f"the same notes as {items[0].name}")
        notes = pieces[items[0]].notes
        sung = notes != SILENCE
        moved[_digest(np.where(sung, notes - notes[sung].min(initial=127), -128))].append(items[0])
    for items in moved.values():
        if len(items) > 1:
            yield copied("near_duplicate", items, f"{items[0].name} in another key")


def _digest(notes: np.ndarray) -> bytes:
    return hashlib.sha256(notes.tobytes()).digest()
