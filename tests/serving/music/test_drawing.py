"""Drawing notes: what is given stays, seeds decide, alone and beside others, rules are kept."""

import numpy as np
import pytest

from serving.errors import UsageError
from serving.music import composer as composing
from serving.music import keys, rules
from serving.music.composer import Composer, emptied, lengthened, opened, under
from serving.music.drawing import Blanks, Forward
from serving.music.grid import BAR, Pitches
from serving.music.piece import Piece
from serving.text.sampling_config import SamplingConfig
from tests.serving.music import tunes

PITCHES = Pitches(36, 81)
CONTEXT = 2 * BAR
SETTINGS = SamplingConfig()
TABLES = np.random.RandomState(0).standard_normal((BAR, 48, 48)).astype(np.float32)


def step(ids, mask, positions, past):
    """Logits by the last note and its place in the bar, and a past that tells how much was read."""
    before = np.zeros((len(ids), 1, 0, 1)) if past is None else past[0][0]
    held = np.concatenate([before, np.ones((len(ids), 1, ids.shape[1], 1))], axis=2)
    assert held.shape[2] == mask.shape[1] <= CONTEXT
    np.testing.assert_array_equal(positions[0], np.arange(before.shape[2], held.shape[2]))
    return 2 * TABLES[positions % BAR, ids], [(held, held)]


def predict(ids, mask, positions):
    """Logits that depend on both neighbours, the note itself not looked at."""
    padded = np.pad(ids, ((0, 0), (1, 1)), constant_values=47)
    before, after = padded[:, :-2], padded[:, 2:]
    return TABLES[positions % BAR, before] + TABLES[positions % BAR, after]


MAKERS = {
    "time": lambda: Composer(Forward(step, CONTEXT), PITCHES),
    "any": lambda: Composer(Blanks(predict, CONTEXT, passes=4), PITCHES),
}


@pytest.fixture(params=list(MAKERS))
def composer(request):
    return MAKERS[request.param]()


def draw(composer, given, n=1, seed=7, **options):
    found = composer.compose(given, 84, n, seed, SETTINGS, **options)
    return found[0].notes if n == 1 else [piece.notes for piece in found]


def test_the_same_seed_gives_the_same_piece_alone_and_beside_others(composer, monkeypatch):
    monkeypatch.setattr(composing, "AT_ONCE", 2)
    several = draw(composer, emptied(48), n=3)
    assert len({piece.tobytes() for piece in several}) == 3
    for at, piece in enumerate(several):
        np.testing.assert_array_equal(draw(composer, emptied(48), seed=7 + at), piece)
    assert composer.last_seed == 9
    draw(composer, emptied(16), seed=None)
    assert composer.last_seed is not None


def test_what_is_given_stays(composer):
    piece = tunes.piece(3, bars=5)
    given = opened(piece, "alto, tenor", 2, 4)
    found = draw(composer, given)
    kept = given != rules.UNKNOWN
    np.testing.assert_array_equal(found[kept], given[kept])
    assert (found[~kept] != piece.notes[~kept]).any() and found.min() >= -1


def test_a_melody_is_harmonised(composer):
    melody = tunes.piece(4, bars=3)
    found = draw(composer, under(melody))
    np.testing.assert_array_equal(found[:, 0], melody.notes[:, 0])


def test_a_piece_longer_than_the_window_goes_on(composer):
    piece = tunes.piece(5, bars=3)
    found = draw(composer, lengthened(piece, 4))
    np.testing.assert_array_equal(found[:48], piece.notes)
    assert len(found) == 7 * 16


def test_the_first_chord_is_that_of_the_key(composer):
    for seed, key in enumerate(("G", "Cm", "F#")):
        first = draw(composer, emptied(16), seed=seed, key=key)[0]
        assert set(first % 12) <= set(keys.triad(key)) and first[3] % 12 == keys.tonic(key)


def test_rules_are_kept_while_other_notes_are_left(composer):
    free = sum(rules.count(draw(composer, emptied(48), seed=seed)).total for seed in range(3))
    kept = sum(
        rules.count(draw(composer, emptied(48), seed=seed, rules=True)).total for seed in range(3)
    )
    assert kept * 4 < free


def test_nothing_open_is_nothing_drawn(composer):
    piece = tunes.piece(6)
    np.testing.assert_array_equal(draw(composer, piece.notes), piece.notes)


def test_passes_are_of_networks_that_see_all_notes():
    drawer = Blanks(predict, CONTEXT)
    assert drawer.with_passes(3).passes == 3 and drawer.passes != 3
    forward = Forward(step, CONTEXT)
    assert forward.with_passes(3) is forward


def test_the_likeliest_note_needs_no_seed():
    composer = MAKERS["time"]()
    greedy = SamplingConfig(temperature=0)
    [one], [other] = (composer.compose(emptied(16), 84, 1, seed, greedy) for seed in (1, 2))
    np.testing.assert_array_equal(one.notes, other.notes)


@pytest.mark.parametrize(
    ("voices", "first", "last", "words"),
    [
        ("violin", None, None, "no voice is called 'violin'; expected soprano, alto, tenor, bass"),
        ("", 3, 4, "bars 3 to 4 are not in the piece, which has bars 1 to 2"),
        ("", 2, 1, "bars 2 to 1 are not in the piece"),
    ],
)
def test_what_is_not_there_cannot_be_opened(voices, first, last, words):
    with pytest.raises(UsageError, match=words):
        opened(tunes.piece(0), voices, first, last)


def test_silence_is_filled_unless_told_otherwise():
    notes = tunes.piece(0).notes.copy()
    notes[notes < 0] = 60
    notes[4:8, 2] = -1
    given = opened(Piece(notes), "", None, None)
    assert np.argwhere(given == rules.UNKNOWN).tolist() == [[at, 2] for at in range(4, 8)]
    with pytest.raises(UsageError, match="nothing of the piece is silent"):
        opened(Piece(np.maximum(notes, 36)), "", None, None)


def test_pieces_that_the_network_does_not_know_are_refused():
    composer = MAKERS["time"]()
    with pytest.raises(UsageError, match="the melody has pitch 90; this model knows 36 to 81"):
        composer.known(Piece(np.full((4, 4), 90)), "the melody")
    with pytest.raises(UsageError, match="2 pieces are given as the melody; expected one"):
        composer.known([tunes.piece(), tunes.piece()], "the melody")
    with pytest.raises(UsageError, match="the melody is silent"):
        under(Piece(np.full((4, 4), -1)))
