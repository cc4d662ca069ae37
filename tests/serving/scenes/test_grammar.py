"""Captions of scenes: what is written is read back, and what cannot be drawn is refused."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from serving.errors import UsageError
from serving.scenes.grammar import COLOURS, LONGEST, Grammar, plural
from serving.scenes.scene import PLACES, ROOM, SIZES, Group, Scene

GRAMMAR = Grammar(emoji=("sun", "apple", "butterfly"))


@st.composite
def groups(draw):
    size = draw(st.sampled_from(SIZES))
    thing, colour = draw(st.sampled_from(GRAMMAR.kinds))
    return Group(draw(st.integers(1, ROOM[size])), thing, colour, size)


@st.composite
def scenes(draw):
    first, place = draw(groups()), draw(st.sampled_from([None, *PLACES]))
    if place is None:
        return Scene(first)
    second = draw(groups())
    assume(second.kind != first.kind)
    return Scene(first, place, second)


@given(scenes())
def test_what_is_written_is_read_back(scene):
    caption = GRAMMAR.write(scene)
    assert GRAMMAR.parse(caption) == scene
    assert GRAMMAR.parse(caption.upper() + ".") == scene
    assert scene.turned.turned == scene
    assert GRAMMAR.parse(GRAMMAR.write(scene.turned)).turned == scene


@given(scenes())
def test_the_words_of_a_caption_are_numbered(scene):
    ids = GRAMMAR.encode(scene)
    assert ids.shape == (LONGEST,) and ids.dtype == np.int32
    told = [GRAMMAR.words[each - 1] for each in ids if each]
    assert " ".join(told) == GRAMMAR.write(scene)
    assert not np.any(ids[len(told) :])


@given(st.lists(st.sampled_from([*GRAMMAR.words, "dragon", "a sun", "two"]), max_size=14))
def test_any_words_are_a_scene_or_refused_in_one_line(words):
    try:
        scene = GRAMMAR.parse(" ".join(words))
    except UsageError as error:
        assert "\n" not in str(error) and len(str(error)) < 400
    else:
        assert GRAMMAR.parse(GRAMMAR.write(scene)) == scene


@given(st.text(max_size=40))
def test_any_text_is_a_scene_or_refused_in_one_line(text):
    try:
        GRAMMAR.parse(text)
    except UsageError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("caption", "scene"),
    [
        (
            "two red threes above a blue seven",
            Scene(Group(2, "three", "red"), "above", Group(1, "seven", "blue")),
        ),
        ("a large green five", Scene(Group(1, "five", "green", "large"))),
        (
            "a small sun to the left of a red two",
            Scene(Group(1, "sun", None, "small"), "left", Group(1, "two", "red")),
        ),
        (
            "one red one right of an apple",
            Scene(Group(1, "one", "red"), "right", Group(1, "apple")),
        ),
        ("a medium sun", Scene(Group(1, "sun"))),
        ("three small butterflies", Scene(Group(3, "butterfly", None, "small"))),
    ],
)
def test_captions_are_read(caption, scene):
    assert GRAMMAR.parse(caption) == scene


@pytest.mark.parametrize(
    ("caption", "message"),
    [
        ("", "the caption is empty; expected words such as 'two red threes above a black seven'"),
        (" . ", "the caption is empty"),
        ("a red dragon", "'dragon' is no word of such a caption"),
        ("a red sevn", "did you mean 'seven'"),
        ("a " * 1000, "the caption has 1000 words; expected at most 12"),
        ("x" * 100_000, "'x{60}' is no word"),
        ("four red twos", "'four' is no count of a caption; expected one to three things"),
        ("three large suns", "three large things of a kind do not fit; expected at most two"),
        ("a seven", "'seven' has no colour; expected one of red, yellow"),
        ("a red sun", "leave 'red' out"),
        ("two red three", "has 'three' after 'two red'; expected 'threes' after 'two'"),
        ("a red threes", "has 'threes' after 'a red'; expected 'three' after a count of one"),
        ("a red", "has the end after 'a red'; expected a digit or an emoji"),
        ("sun", "has 'sun' at the beginning; expected a count: a, one, two, three"),
        ("a sun above", "has the end after 'a sun above'; expected a count"),
        ("a sun a sun", "has 'a' after 'a sun'; expected above, below, left of or right of"),
        ("a sun above a red two below", "has 'below' after .*; expected the end"),
        ("a red two above two small red twos", "are of one kind; expected two that differ"),
    ],
)
def test_what_cannot_be_drawn_is_refused(caption, message):
    with pytest.raises(UsageError, match=message) as caught:
        GRAMMAR.parse(caption)
    assert "\n" not in str(caught.value)


def test_every_kind_is_of_a_known_thing():
    assert len(GRAMMAR.kinds) == 10 * len(COLOURS) + 3
    assert len({*GRAMMAR.words}) == len(GRAMMAR.words)
    assert {plural(thing) for thing in GRAMMAR.things} <= {*GRAMMAR.words}
