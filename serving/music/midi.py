"""MIDI files: four voices into one and out of it, by the library `mido`.

A file is written with one track for each voice, so that every program shows four staves. One is
read by what sounds, whatever tracks it is in: each note goes to the nearest sixteenth, drums are
left out, and what sounds together is given to the four voices from above.
"""

import io
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from serving.errors import GenzooError, UsageError, first_line
from serving.files import written
from serving.music.grid import SILENCE, STEPS_PER_BEAT, VOICE_NAMES, VOICES
from serving.music.piece import FASTEST, LONGEST, SLOWEST, TEMPO, Piece

TICKS = 480  # of a quarter
PROGRAM = 52  # choir aahs of General MIDI, from 0
VELOCITY = 80
DRUMS = 9  # the channel of percussion, from 0
PITCHES = 128
LARGEST = 2**24  # bytes of a file
MOST_EVENTS = 2**20


class Sounding(NamedTuple):
    """A note of a file: its pitch, and from which sixteenth to which it sounds; and its part."""

    pitch: int
    begin: int
    end: int
    part: tuple[int, int]


def to_bytes(piece: Piece) -> bytes:
    """Return the bytes of a MIDI file; the same piece gives the same.

    Example:
        >>> piece = Piece(np.full((4, 4), 60), tempo=90)
        >>> data = to_bytes(piece)
        >>> data[:4], from_bytes(data).notes.tolist() == piece.notes.tolist()
        (b'MThd', True)
    """
    mido = _library()
    file = mido.MidiFile(type=1, ticks_per_beat=TICKS)
    head = mido.MidiTrack()
    head.append(mido.MetaMessage("set_tempo", tempo=round(60e6 / piece.tempo)))
    head.append(mido.MetaMessage("time_signature", numerator=4, denominator=4))
    head.append(mido.MetaMessage("end_of_track", time=piece.steps * TICKS // STEPS_PER_BEAT))
    file.tracks.append(head)
    for index, name in enumerate(VOICE_NAMES):
        file.tracks.append(_track(mido, piece, index, name))
    stream = io.BytesIO()
    file.save(file=stream)
    return stream.getvalue()


def _track(mido: Any, piece: Piece, index: int, name: str) -> Any:
    """Return the track of a voice."""
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("track_name", name=name.capitalize()))
    track.append(mido.Message("program_change", channel=index, program=PROGRAM))
    events = []
    for pitch, begin, end in piece.voice(index):
        events += [(begin, "note_on", pitch), (end, "note_off", pitch)]
    now = 0
    # What ends does so before what begins, else a note struck again would be cut off.
    for step, kind, pitch in sorted(events, key=lambda event: (event[0], event[1] == "note_on")):
        velocity = VELOCITY if kind == "note_on" else 0
        ticks = (step - now) * TICKS // STEPS_PER_BEAT
        track.append(mido.Message(kind, channel=index, note=pitch, velocity=velocity, time=ticks))
        now = step
    end = (piece.steps - now) * TICKS // STEPS_PER_BEAT
    track.append(mido.MetaMessage("end_of_track", time=end))
    return track


def save(piece: Piece, path: str | Path) -> None:
    """Write a MIDI file, whole or not at all."""
    with written(path) as file:
        file.write(to_bytes(piece))


def read(path: Path) -> Piece:
    """Read a MIDI file; see `from_bytes`."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    return from_bytes(data, str(path))


def from_bytes(data: bytes, name: str = "the file") -> Piece:
    """Return what a MIDI file plays, in four voices.

    The tempo is that of its beginning; where it changes, the notes keep their places in the bar.

    Args:
        data: of the file.
        name: for errors.

    Raises:
        UsageError: it is no MIDI file, is cut off, has no notes, or more than four at a time.
        GenzooError: `mido` is not installed.
    """
    file = _parsed(data, name)
    tempo, sounding = TEMPO, []
    for index, track in enumerate(file.tracks):
        for each in _events(track, index, file.ticks_per_beat, name):
            if isinstance(each, float):
                tempo = each if index == 0 or tempo == TEMPO else tempo
            else:
                sounding.append(each)
    if not sounding:
        raise UsageError(
            f"{name} has no notes (drums do not count); expected a MIDI file of up to four voices"
        )
    return Piece(_voiced(sounding, name), min(max(tempo, SLOWEST), FASTEST))


def _parsed(data: bytes, name: str) -> Any:
    """Return the file as the library has it."""
    mido = _library()
    if len(data) > LARGEST:
        raise UsageError(f"{name} is larger than {LARGEST} bytes; expected a MIDI file of a piece")
    if not data.startswith(b"MThd"):
        raise UsageError(f"{name} is no MIDI file; expected one that begins with MThd")
    try:
        file = mido.MidiFile(file=io.BytesIO(data), clip=True)
    except EOFError:
        raise UsageError(f"{name} is cut off; expected a whole MIDI file") from None
    except (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{name} cannot be read as MIDI: {first_line(error)}") from None
    if file.type == 2:
        raise UsageError(f"{name} holds separate patterns (MIDI type 2); expected type 0 or 1")
    if not 0 < file.ticks_per_beat < 2**15:
        raise UsageError(f"{name} counts in frames of film; expected ticks of a quarter")
    if sum(map(len, file.tracks)) > MOST_EVENTS:
        raise UsageError(f"{name} has more than {MOST_EVENTS} events; expected a single piece")
    return file


def _events(track: Any, index: int, ticks: int, name: str) -> Iterator[Sounding | float]:
    """Yield the notes of a track, and its first tempo in quarters a minute."""
    now, tempo_known = 0, False
    open_notes: dict[tuple[int, int], list[int]] = defaultdict(list)
    per_step = ticks / STEPS_PER_BEAT
    for message in track:
        now += message.time
        if message.type == "set_tempo" and not tempo_known and message.tempo:
            tempo_known = True
            yield round(60e6 / message.tempo, 2)  # as people write it
        if message.type not in ("note_on", "note_off") or message.channel == DRUMS:
            continue
        if now > LONGEST * per_step:
            raise UsageError(f"{name} is longer than {LONGEST // 16} bars; expected a shorter one")
        key = (message.channel, message.note)
        if message.type == "note_on" and message.velocity:
            open_notes[key].append(now)
        elif open_notes[key]:
            begin = open_notes[key].pop(0)
            yield _placed(message.note, begin, now, per_step, (index, message.channel))
    for (channel, note), begins in open_notes.items():  # never ended: until the track does
        for begin in begins:
            yield _placed(note, begin, now, per_step, (index, channel))


def _placed(pitch: int, begin: int, end: int, per_step: float, part: tuple[int, int]) -> Sounding:
    """Return a note on the grid, where it lasts a sixteenth at least."""
    first = int(begin / per_step + 0.5)
    return Sounding(pitch, first, max(first + 1, int(end / per_step + 0.5)), part)


def _voiced(sounding: list[Sounding], name: str) -> np.ndarray:
    """Give notes to the four voices: int16 `(T, 4)`.

    Of four parts or fewer, none of which sounds two notes at once, each is a voice, from the
    highest down; else what sounds together is given to the voices from above.
    """
    parts = sorted({each.part for each in sounding})
    steps = max(each.end for each in sounding)
    if steps > LONGEST:
        raise UsageError(f"{name} is longer than {LONGEST // 16} bars; expected a shorter one")
    if 1 < len(parts) <= VOICES:
        lines = [_line([each for each in sounding if each.part == part], steps) for part in parts]
        if all(line is not None for line in lines):
            return _by_height([line for line in lines if line is not None], steps)
    # How many begin, less how many end: as much work as there are notes, however long these are.
    changes = np.zeros((PITCHES, steps + 1), np.int32)
    pitches, begins, ends = np.array([each[:3] for each in sounding]).T
    np.add.at(changes, (pitches, begins), 1)
    np.add.at(changes, (pitches, ends), -1)
    there = np.cumsum(changes[:, :-1], axis=1) > 0  # (128, T)
    counts = there.sum(axis=0)
    crowded = np.flatnonzero(counts > VOICES)
    if len(crowded):
        raise UsageError(
            f"{name} has {counts[crowded[0]]} notes at a time, at quarter "
            f"{crowded[0] / STEPS_PER_BEAT:g}; expected four voices at most"
        )
    grid = np.full((steps, VOICES), SILENCE, np.int16)
    for step in np.flatnonzero(counts):
        highest_first = np.flatnonzero(there[:, step])[::-1]
        grid[step, list(_places(len(highest_first)))] = highest_first
    return grid


def _places(count: int) -> tuple[int, ...]:
    """Return the voices of so many notes: one is the melody, and the lowest of several the bass."""
    return ((), (0,), (0, 3), (0, 1, 3), (0, 1, 2, 3))[count]


def _line(notes: list[Sounding], steps: int) -> np.ndarray | None:
    """Return the notes of one part, `(T,)`; None if two sound at once."""
    line = np.full(steps, SILENCE, np.int16)
    for pitch, begin, end, _ in sorted(notes, key=lambda each: each.begin):
        if (line[begin:end] != SILENCE).any():
            return None
        line[begin:end] = pitch
    return line


def _by_height(lines: list[np.ndarray], steps: int) -> np.ndarray:
    """Put lines into voices, the highest on the whole first."""
    lines = sorted(lines, key=lambda line: -float(line[line != SILENCE].mean()))
    grid = np.full((steps, VOICES), SILENCE, np.int16)
    for voice, line in zip(_places(len(lines)), lines, strict=True):
        grid[:, voice] = line
    return grid


def _library() -> Any:
    try:
        import mido
    except ImportError:
        raise GenzooError("MIDI files need the package mido: pip install mido") from None
    return mido
