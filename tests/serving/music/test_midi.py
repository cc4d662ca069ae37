"""MIDI files: what is written comes back, others open it, and errors are one line."""

import io
import warnings

import mido
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mido import Message, MetaMessage

from serving.errors import UsageError
from serving.music import midi
from serving.music.piece import Piece
from tests.serving.music import tunes


@st.composite
def pieces(draw):
    """Any piece whose voices are apart, each a run of notes and rests that ends in a note."""
    steps = draw(st.integers(1, 40))
    lines = [
        draw(st.lists(st.integers(low, low + 8) | st.just(-1), min_size=steps, max_size=steps))
        for low in (80, 65, 50, 35)
    ]
    notes = np.array(lines).T
    notes[-1] = 80, 65, 50, 35
    return Piece(notes, draw(st.integers(20, 400)))


@settings(deadline=None, max_examples=60)
@given(pieces())
def test_what_is_written_is_read_again(piece):
    data = midi.to_bytes(piece)
    found = midi.from_bytes(data)
    np.testing.assert_array_equal(found.notes, piece.notes)
    assert found.tempo == pytest.approx(piece.tempo, abs=0.01)
    assert midi.to_bytes(piece) == data


def file(*tracks, ticks=480, kind=1) -> bytes:
    """Return the bytes of a MIDI file with these messages."""
    made = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    for track in tracks:
        made.tracks.append(mido.MidiTrack(track))
    stream = io.BytesIO()
    made.save(file=stream)
    return stream.getvalue()


def note(pitch, time=480, channel=0):
    """Return the two messages of a note that begins at once."""
    return [
        Message("note_on", note=pitch, velocity=64, channel=channel),
        Message("note_off", note=pitch, channel=channel, time=time),
    ]


def test_a_melody_is_the_highest_voice():
    found = midi.from_bytes(file([*note(60), *note(62)]))
    assert found.notes[:, 0].tolist() == [60] * 4 + [62] * 4
    assert (found.notes[:, 1:] == -1).all()


def test_a_tempo_that_changes_moves_no_note():
    first = [MetaMessage("set_tempo", tempo=500_000), *note(60)]
    found = midi.from_bytes(file([*first, MetaMessage("set_tempo", tempo=1_000_000), *note(62)]))
    assert found.tempo == 120
    assert found.notes[:, 0].tolist() == [60] * 4 + [62] * 4


def test_drums_are_left_out():
    drums = [each for hit in (35, 42) for each in note(hit, 120, channel=9)]
    found = midi.from_bytes(file(note(60), drums))
    assert found.notes[:, 0].tolist() == [60] * 4


def test_running_status_is_understood():
    """A note on of velocity 0 ends a note, and the kind of a message is said once."""
    events = bytes([0, 0x90, 60, 64, 0x83, 0x60, 60, 0, 0, 62, 64, 0x83, 0x60, 62, 0])
    events += bytes([0, 0xFF, 0x2F, 0])
    head = b"MThd" + (6).to_bytes(4) + bytes([0, 0, 0, 1, 1, 0xE0])
    found = midi.from_bytes(head + b"MTrk" + len(events).to_bytes(4) + events)
    assert found.notes[:, 0].tolist() == [60] * 4 + [62] * 4


def test_four_parts_keep_their_notes_where_they_cross():
    piece = Piece(np.array([[60, 62, 52, 48]] * 8))  # the alto above the soprano
    parts = [
        [*note(70 - 3 * at, channel=at), *note(pitch, channel=at)]
        for at, pitch in enumerate(piece.notes[0].tolist())
    ]
    assert midi.from_bytes(file(*parts)).notes[4].tolist() == [60, 62, 52, 48]


def test_notes_off_the_grid_go_to_the_nearest_sixteenth():
    late = [
        Message("note_on", note=60, velocity=64, time=50),
        Message("note_off", note=60, time=60),
    ]
    assert midi.from_bytes(file(late)).notes[:, 0].tolist() == [60]


TWELVE = [note(60 + 2 * at, channel=at if at < 9 else at + 1) for at in range(12)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no MIDI file; expected one that begins with MThd"),
        (b"RIFF....", "is no MIDI file"),
        (b"MThd", "is cut off"),
        (file(note(60))[:-9], "is cut off"),
        (file([MetaMessage("track_name", name="empty")]), "has no notes"),
        (file([each for hit in (35, 42) for each in note(hit, channel=9)]), "drums do not count"),
        (file(*TWELVE), "has 12 notes at a time, at quarter 0; expected four voices at most"),
        (file(note(60), kind=2), "separate patterns"),
        (file(note(60, time=2**27)), "is longer than 4096 bars"),
        (file(note(60)).replace(b"\x01\xe0", b"\xe7\x28", 1), "counts in frames of film"),
        (file(note(60))[:14] + b"XXXX" + file(note(60))[18:], "cannot be read as MIDI|is cut off"),
    ],
)
def test_what_is_no_piece_is_one_line(data, words):
    with pytest.raises(UsageError, match=words) as caught:
        midi.from_bytes(data, "tune.mid")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("tune.mid")


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_damaged_file_is_a_piece_or_one_line(data):
    whole = bytearray(midi.to_bytes(tunes.piece(bars=1)))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    try:
        found = midi.from_bytes(bytes(whole[:cut] if data.draw(st.booleans()) else whole))
    except UsageError as error:
        assert "\n" not in str(error)
    else:
        assert found.notes.shape[1] == 4


@pytest.mark.parametrize("library", ["mido", "symusic", "music21"])
def test_other_programs_open_it_without_a_warning(library, tmp_path):
    module = pytest.importorskip(library)
    piece = tunes.piece(bars=4)
    midi.save(piece, tmp_path / "tune.mid")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if library == "mido":
            found = module.MidiFile(tmp_path / "tune.mid", clip=False)
            assert found.length == pytest.approx(piece.seconds, rel=1e-4)
            assert sum(each.type == "note_on" for each in found) == sum(
                len(piece.voice(voice)) for voice in range(4)
            )
        elif library == "symusic":
            found = module.Score(tmp_path / "tune.mid")
            assert [len(track.notes) for track in found.tracks] == [
                len(piece.voice(voice)) for voice in range(4)
            ]
        else:
            found = module.converter.parse(tmp_path / "tune.mid", format="midi")
            assert len(found.parts) == 4
            assert {each.partName for each in found.parts} == {"Soprano", "Alto", "Tenor", "Bass"}


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"none\.mid cannot be read: No such file"):
        midi.read(tmp_path / "none.mid")


def test_many_long_notes_take_as_much_work_as_short_ones():
    """A small file of notes that lie over each other for the whole of a long piece."""
    begins = [Message("note_on", note=each % 128, time=0) for each in range(20_000)]
    ends = [Message("note_off", note=each % 128, time=0) for each in range(20_000)]
    ends[0] = ends[0].copy(time=480 // 4 * 60_000)
    with pytest.raises(UsageError, match="has 128 notes at a time, at quarter 0;"):
        midi.from_bytes(file([*begins, *ends]), "it")
    one = [each.copy(note=60) for each in (*begins, *ends)]
    assert (midi.from_bytes(file(one), "it").notes[:, 0] == 60).all()
