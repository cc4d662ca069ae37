"""Arrays, texts and numbers in files: what was written is read, and a bad file is one line."""

import io
import json
import sys
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from serving import registry
from serving.content.content import Content
from serving.errors import UsageError

ARRAY, TEXT, NUMBERS = map(registry.content, ("array", "text", "numbers"))
FLOATS = hnp.arrays(np.float32, hnp.array_shapes(max_dims=3, max_side=4))


class Pair(NamedTuple):
    """A value that names its own arrays."""

    mean: np.ndarray
    spread: np.ndarray


def complaint(function, *arguments):
    with pytest.raises(UsageError) as caught:
        function(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- arrays ---


@given(FLOATS, st.sampled_from([".npy", ".npz"]))
def test_an_array_is_read_as_it_was_written(tmp_path_factory, array, suffix):
    path = tmp_path_factory.getbasetemp() / f"array{suffix}"
    ARRAY.writer(str(path), len(array), {})(array)
    np.testing.assert_array_equal(ARRAY.read([path], {}), array)
    np.testing.assert_array_equal(ARRAY.read([path, path], {}), np.concatenate([array, array]))


def test_arrays_by_name(tmp_path):
    pair = Pair(np.ones((2, 3)), np.zeros((2, 3)))
    out = tmp_path / "new" / "pair.npz"
    ARRAY.writer(str(out), 2, {})(pair)
    with np.load(out) as loaded:
        assert loaded.files == ["mean", "spread"]
    np.testing.assert_array_equal(ARRAY.read([out], {}), pair.mean)  # the first of them
    assert ARRAY.words(pair, {}) == "mean: float64 (2, 3)\nspread: float64 (2, 3)"
    write = ARRAY.writer(str(tmp_path / "pair.npy"), 2, {})
    assert "holds one array, and there are mean, spread; use .npz" in complaint(write, pair)
    assert not (tmp_path / "pair.npy").exists()
    assert (ARRAY.count(pair), ARRAY.amount(2), ARRAY.default_out("a")) == (2, "2 rows", "a.npz")


def test_bad_arrays_are_one_line(tmp_path):
    one, other = tmp_path / "one.npy", tmp_path / "other.npy"
    np.save(one, np.zeros((2, 3)))
    np.save(other, np.zeros((2, 4)))
    assert "2 arrays are given that are not all of one shape" in complaint(
        ARRAY.read, [one, other], {}
    )
    np.save(other, np.array([{}], object), allow_pickle=True)
    for path, words in ((other, "Object arrays"), (tmp_path / "none.npy", "No such file")):
        assert f"{path} cannot be read as an array: {words}" in complaint(ARRAY.read, [path], {})
    for name in ("x.png", "x", str(tmp_path)):
        words = f"cannot write '{name}'; expected a name in .npz or .npy"
        assert complaint(ARRAY.writer, name, 1, {}) == words


def test_how_far_arrays_are_apart():
    pair = Pair(np.ones((2, 3)), np.zeros((2, 3)))
    near, far = (Pair(pair.mean, pair.spread + by) for by in (1e-6, 1e-2))
    assert ARRAY.compare(near, pair).is_rounding
    assert ARRAY.compare(far, pair) == ("within 1.0e-02 of Keras", False)


# --- texts ---


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r\ufeff")))
def test_a_text_is_read_as_it_was_written(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "text.txt"
    TEXT.writer(str(path), 1, {})(text)
    assert TEXT.read([path], {}) == f"{text}\n"
    assert TEXT.read([path, path], {}) == [f"{text}\n"] * 2


def test_texts_have_rules_between_them(tmp_path):
    out = tmp_path / "new" / "texts.txt"
    TEXT.writer(str(out), 2, {})(["To be", "Or\nnot"])
    assert out.read_text(encoding="utf-8") == "To be\n\n---\nOr\nnot\n"
    assert TEXT.count("To be") == 1 and TEXT.count(["To be", "Or"]) == 2
    assert (TEXT.amount(1), TEXT.amount(2), TEXT.default_out("a")) == ("1 text", "2 texts", None)


def test_text_of_other_editors(tmp_path, monkeypatch):
    (tmp_path / "marked.txt").write_bytes(b"\xef\xbb\xbfTo be")
    assert TEXT.read([tmp_path / "marked.txt"], {}) == "To be"
    monkeypatch.setattr(sys, "stdin", io.StringIO("Or not"))
    assert TEXT.read(["-"], {}) == "Or not"


def test_bad_texts_are_one_line(tmp_path):
    (tmp_path / "x.txt").write_bytes(b"caf\xe9")
    assert "x.txt is not UTF-8; save it as UTF-8" in complaint(TEXT.read, [tmp_path / "x.txt"], {})
    for name, words in (("none.txt", "No such file or directory"), ("", "Is a directory")):
        assert f"cannot be read: {words}" in complaint(TEXT.read, [tmp_path / name], {})
    assert "is a folder; expected the name of a file" in complaint(
        TEXT.writer, str(tmp_path), 1, {}
    )


def test_how_far_texts_are_apart():
    texts = ["To be", "Or not", "to be"]
    assert TEXT.compare(texts, texts) == ("3 of 3 texts like those of Keras", True)
    one = TEXT.compare(["To bear", "Or not", "to be"], texts)
    assert one.is_rounding and one.words.endswith("the others for 5 characters at least")
    assert not TEXT.compare(["To bear", "Or nut", "to be"], texts).is_rounding


# --- numbers ---


def test_numbers_are_printed_or_written(tmp_path):
    numbers = {"nats": 1.5, "tokens": 3}
    out = tmp_path / "new" / "score.json"
    NUMBERS.writer(str(out), 1, {})(numbers)
    assert json.loads(out.read_text()) == numbers
    assert NUMBERS.words(numbers, {}) == "nats    1.5\ntokens  3"
    assert (NUMBERS.count(numbers), NUMBERS.default_out("a")) == (2, None)
    assert NUMBERS.compare(numbers, numbers).is_rounding
    assert not NUMBERS.compare(numbers | {"nats": 1.6}, numbers).is_rounding
    assert "expected a name in .json" in complaint(NUMBERS.writer, "x.txt", 1, {})
    assert "no model takes numbers" in complaint(NUMBERS.read, [out], {})


# --- all of them ---


class NoArray:
    """What cannot be written."""

    def __array__(self, *_, **__):
        raise ValueError("it is none")


@pytest.mark.parametrize(
    ("content", "name", "value"),
    [(ARRAY, "x.npz", {"a": NoArray()}), (TEXT, "x.txt", 3), (NUMBERS, "x.json", {"a": {3}})],
)
def test_a_failed_write_keeps_what_was_there(tmp_path, content, name, value):
    (tmp_path / name).write_text("older")
    with pytest.raises((TypeError, ValueError)):
        content.writer(str(tmp_path / name), 1, {})(value)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["older"]


@pytest.mark.parametrize("content", [ARRAY, TEXT, NUMBERS], ids=lambda each: each.name)
def test_what_shows_samples_is_words(tmp_path, content):
    assert isinstance(content, Content)
    value = {"array": np.zeros((2, 3)), "text": ["a"], "numbers": {"a": 1.0}}[content.name]
    content.write_samples(value, {}, tmp_path / "samples")
    assert [path.name for path in tmp_path.iterdir()] == ["samples.txt"]
