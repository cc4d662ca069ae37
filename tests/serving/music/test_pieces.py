"""Pieces, and music as content: files, sound, pictures, JSON, comparing."""

import base64
import io
import wave

import numpy as np
import pytest
from PIL import Image

from serving import registry
from serving.errors import UsageError
from serving.music import roll, sound
from serving.music.composer import lengthened
from serving.music.piece import Piece
from tests.serving.music import tunes

CONTENT = registry.content("piece")


@pytest.mark.parametrize(
    ("notes", "words"),
    [
        (np.zeros((4, 3), int), r"notes are int64 \(4, 3\); expected whole numbers"),
        (np.full((4, 4), 60.5), "notes are float64"),
        ([[60, 55], [60]], "notes are not all of one shape"),
        (np.zeros((0, 4), int), "a piece has 0 sixteenths; expected 1 to"),
        (np.full((4, 4), 128), "a note is 128; expected pitches 0 to 127, or -1"),
        (np.full((4, 4), -2), "a note is -2"),
    ],
)
def test_what_is_no_piece_is_one_line(notes, words):
    with pytest.raises(UsageError, match=words):
        Piece(notes)


def test_a_tempo_out_of_range_is_one_line():
    with pytest.raises(UsageError, match="tempo is 1000; expected 20 to 400"):
        Piece(np.full((4, 4), 60), 1000)


def test_the_same_piece_gives_the_same_bytes_and_another_does_not():
    piece, other = tunes.piece(1), tunes.piece(2)
    for suffix in CONTENT.made_files():
        data = CONTENT.to_bytes(piece, suffix, {})
        assert data == CONTENT.to_bytes(Piece(piece.notes, piece.tempo), suffix, {})
        assert data != CONTENT.to_bytes(other, suffix, {})


def test_sound_has_the_pitch_and_the_length_of_the_notes():
    piece = Piece(np.array([[69, -1, -1, -1]] * 16), tempo=60)  # an A for four seconds
    with wave.open(io.BytesIO(sound.to_bytes([piece]))) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, sound.RATE)
        heard = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
    assert len(heard) == round((4 + sound.RELEASE) * sound.RATE) + round(sound.PAUSE * sound.RATE)
    spectrum = np.abs(np.fft.rfft(heard[: 4 * sound.RATE]))
    assert np.argmax(spectrum) / 4 == pytest.approx(440, abs=0.5)
    assert np.abs(heard[-100:]).max() == 0


def test_the_loudest_chord_is_not_clipped():
    heard = sound.samples(Piece(np.full((16, 4), 60)))
    assert 0.3 < np.abs(heard).max() <= 1


def test_a_roll_has_a_colour_for_each_voice_where_it_sings():
    piece = Piece(np.array([[72, 67, 64, 48]] * 32))
    picture = roll.picture([piece])
    top = 72 + roll.MARGIN
    for voice, pitch in enumerate(piece.notes[0].tolist()):
        row = (top - pitch) * roll.DOWN + 2
        assert tuple(picture[row, 10]) == roll.COLOURS[voice]
    assert roll.picture([piece, piece]).shape[0] == 2 * picture.shape[0] + roll.GAP
    assert roll.picture([Piece(np.full((8, 4), -1))]).shape[1] == 8 * roll.ACROSS


def test_files_are_written_and_read(tmp_path):
    pieces = [tunes.piece(seed, tempo=90) for seed in range(3)]
    CONTENT.writer(str(tmp_path / "each"), 3, {})(pieces)
    found = CONTENT.read([tmp_path / "each"], {})
    for one, other in zip(found, pieces, strict=True):
        np.testing.assert_array_equal(one.notes, other.notes)
    CONTENT.writer(str(tmp_path / "all.mid"), 3, {})(pieces)
    whole = CONTENT.read([tmp_path / "all.mid"], {})
    assert whole.bars == 3 * 2 + 2 and whole.tempo == 90  # a bar of silence between
    CONTENT.writer(str(tmp_path / "all.png"), 3, {})(pieces)
    assert Image.open(tmp_path / "all.png").mode == "RGB"


@pytest.mark.parametrize(
    ("out", "words"), [("a.txt", "expected a name in .mid"), ("a.ogg", "cannot write 'a.ogg'")]
)
def test_other_files_are_refused_before_anything_is_made(out, words):
    with pytest.raises(UsageError, match=words):
        CONTENT.writer(out, 1, {})


def test_a_folder_without_music_is_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"holds no MIDI files; expected names in \.mid"):
        CONTENT.read([tmp_path], {})


def test_samples_are_to_be_seen_and_heard(tmp_path):
    CONTENT.write_samples([tunes.piece(1), tunes.piece(2)], {}, tmp_path / "samples")
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"samples.png", *CONTENT.beside}


def test_json_goes_there_and_back():
    pieces = [tunes.piece(1), tunes.piece(2)]
    for value in (pieces, pieces[0]):
        found = CONTENT.from_json(CONTENT.to_json(value, {}), {})
        assert CONTENT.compare(found, value).words.startswith("2 of 2" if value is pieces else "1")
    address = "data:audio/midi;base64,"
    data = base64.b64encode(CONTENT.to_bytes(pieces[0], ".mid", {})).decode()
    assert CONTENT.compare(CONTENT.from_json(address + data, {}), pieces[0]).is_rounding


@pytest.mark.parametrize("value", [3, {"tempo": 90}, {"notes": [[60] * 4], "speed": 1}, {}])
def test_json_that_is_no_piece_is_one_line(value):
    with pytest.raises(UsageError, match=r"a piece in JSON is .*; expected a MIDI file as a data:"):
        CONTENT.from_json(value, {})


def test_pieces_that_part_are_counted():
    pieces = [tunes.piece(seed) for seed in range(3)]
    assert CONTENT.compare(pieces, pieces).is_rounding
    others = [tunes.piece(seed + 10) for seed in range(3)]
    assert CONTENT.compare([pieces[0], *others[1:]], pieces).words == (
        "1 of 3 pieces like those of Keras"
    )
    assert not CONTENT.compare(others, pieces).is_rounding
    assert (CONTENT.count(pieces), CONTENT.count(pieces[0])) == (3, 1)


def test_what_is_only_written_is_not_offered_to_be_read():
    assert [*CONTENT.files()] == [".mid"] and {".wav", ".png"} < CONTENT.made_files().keys()
    sounding = base64.b64encode(sound.to_bytes([tunes.piece(1)])).decode()
    with pytest.raises(UsageError, match="audio/wav") as error:
        CONTENT.from_json(f"data:audio/wav;base64,{sounding}", {})
    assert "/tmp" not in str(error.value)


def test_sound_that_would_fill_the_memory_is_refused_before_it_is_made():
    long = Piece(np.full((65536, 4), 60), tempo=20)
    with pytest.raises(UsageError, match="lasts 49,153 seconds, and a sound file 1,800 at most"):
        sound.to_bytes([long])


def test_a_piece_that_would_become_too_long_is_refused_before_it_is_drawn():
    with pytest.raises(UsageError, match="are more than 4096 bars"):
        lengthened(Piece(np.full((65536 - 16, 4), 60)), 2)
    assert len(lengthened(Piece(np.full((17, 4), 60)), 2)) == 64
