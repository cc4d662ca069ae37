"""Rules, keys and chords: what is counted, and what is kept while notes are drawn."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serving.music import chords, keys, rules
from serving.music.grid import Pitches
from serving.music.guide import Guide
from serving.music.rules import UNKNOWN

PITCHES = Pitches(36, 81)


@pytest.mark.parametrize(
    ("rule", "notes"),
    [
        ("fifths", [[71, 64, 55, 48], [71, 65, 57, 50]]),
        ("octaves", [[72, 67, 64, 48], [74, 67, 65, 50]]),
        ("crossing", [[60, 64, 55, 48]] * 4),
        ("spacing", [[79, 64, 55, 48]] * 4),
        ("range", [[72, 67, 64, 39]] * 4),
        ("leaps", [[72, 67, 64, 48], [62, 60, 57, 50]]),
    ],
)
def test_each_rule_is_counted_once(rule, notes):
    found = rules.count(np.array(notes))
    assert getattr(found, rule) == 1 and found.total == 1


@pytest.mark.parametrize(
    "notes",
    [
        [[72, 67, 64, 48]] * 8,  # held
        [[72, 67, 60, 53], [72, 69, 60, 53]],  # only one voice moves
        [[72, 67, 64, 48], [71, 67, 62, 55]],  # against each other
        [[-1, -1, -1, -1], [72, 67, 64, 48]],  # from silence
    ],
)
def test_good_leading_breaks_nothing(notes):
    assert rules.count(np.array(notes)).total == 0


NOTES = arrays(np.int64, (2, 4), elements=st.integers(38, 82) | st.just(-1))


@settings(deadline=None, max_examples=300)
@given(NOTES, st.integers(0, 3), st.integers(36, 81))
def test_a_note_keeps_the_rules_if_and_only_if_none_more_is_broken(notes, voice, pitch):
    """What `kept` says of a note is what `count` counts more than of silence there."""
    without, with_it = notes.copy(), notes.copy()
    without[1, voice], with_it[1, voice] = -1, pitch
    assume((with_it[0] != with_it[1]).all())  # what is held counts where it began
    more = rules.count(with_it).total - rules.count(without).total
    assert bool(rules.kept(without, 1, voice, np.array([pitch]))[0]) == (more == 0)


def test_unknown_neighbours_forbid_nothing():
    notes = np.full((3, 4), UNKNOWN)
    kept = rules.kept(notes, 1, 0, np.arange(60, 82))
    assert kept.all()


def test_keys_and_chords():
    assert keys.triad("G") == (7, 11, 2) and keys.triad("Ebm") == (3, 6, 10)
    assert len(set(keys.KEYS)) == 24
    scale = np.array([[62, 66, 69, 50], [64, 67, 71, 55], [61, 64, 69, 57], [62, 66, 69, 50]])
    assert keys.key_of(scale) == "D" and keys.key_of(scale - 2) == "C"
    assert keys.key_of(np.full((2, 4), -1)) == "C"
    frames = np.array([[72, 67, 64, 48], [65, 62, 59, 55], [72, 72, 72, 48], [72, 70, 61, 48]])
    assert chords.accepted(frames).tolist() == [True, True, False, False]


def test_a_guide_gives_what_is_given_and_a_chord_of_the_key():
    given = np.full((2, 4), UNKNOWN)
    given[1, 0] = 74
    guide = Guide(given, PITCHES, key="G")
    bass = PITCHES.notes(np.tile(guide.allowed_at(0, 3), 4)).ravel()
    assert set(bass % 12) == {7} and bass.min() >= 36
    guide.start(4)
    assert guide.allowed().tolist() == [74 - 35]
    guide.take(74 - 35)
    assert guide.notes[1, 0] == 74 and not guide.finished


def test_a_guide_never_leaves_nothing():
    given = np.array([[60, UNKNOWN, 81, 40], [60, UNKNOWN, 81, 40]])  # no alto fits between
    guide = Guide(given, PITCHES, keep_rules=True)
    assert len(guide.allowed_at(0, 1)) == 47
    assert PITCHES.blank not in guide.allowed_at(0, 1)


def test_tokens_are_blank_where_nothing_is_known():
    guide = Guide(np.array([[60, UNKNOWN, -1, 36]]), PITCHES)
    assert guide.tokens().tolist() == [25, 47, 0, 1]
    guide.put(0, 1, 20)
    assert guide.notes.tolist() == [[60, 55, -1, 36]]
    guide.lift(guide.open)
    assert guide.tokens().tolist() == [25, 47, 0, 1]
