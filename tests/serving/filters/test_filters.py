"""Filters: what they refuse a model is not given, and does not give, in one piece or in many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import serving
from serving import registry
from serving.errors import GenzooError, UsageError
from serving.filters.filter import Filter
from serving.filters.filters import REMEMBERED, FilteredError, Filters
from tests.serving import tiny_text_bundle


@pytest.fixture
def words(tmp_path):
    """A list of words: `a` and `dé`."""
    (tmp_path / "words.txt").write_text("# of the toy language\n\na\nDÉ\nto be\n")
    return f"words:{tmp_path / 'words.txt'}"


@pytest.mark.parametrize("text", ["a", "A b", "b.a.", "dé", "de\u0301", "\uff21", "to\n  BE or"])
def test_words_of_the_list_are_found(words, text):
    with pytest.raises(FilteredError, match="the filter 'words' refuses the text: it has a word"):
        Filters([words]).check_text(text)


@pytest.mark.parametrize("text", ["", "b", "ab", "_a", "de", "to bet"])
def test_others_are_not(words, text):
    Filters([words]).check_text(text)


PIECES = st.lists(st.text("ab dé.", max_size=3), max_size=8)


@given(PIECES)
def test_a_text_in_pieces_is_told_whole_or_up_to_what_is_refused(tmp_path_factory, pieces):
    file = tmp_path_factory.getbasetemp() / "list.txt"
    file.write_text("a\ndé\n")
    filters, text, told = Filters([f"words:{file}"]), "".join(pieces), ""
    try:
        for piece in filters.streamed(pieces):
            told += piece
    except FilteredError:
        with pytest.raises(FilteredError):
            filters.check_text(text)
        filters.check_text(told)
        assert text.startswith(told)
    else:
        filters.check_text(text)
        assert told == text


def test_models_are_asked_through_them(text, words):
    model = serving.load(text, device="cpu", filters=[words])
    plain = serving.load(text, device="cpu")
    with pytest.raises(FilteredError, match="the prompt"):
        model.generate("b a b")
    with pytest.raises(FilteredError, match="the prompt"):
        model.stream("b a b")
    refused, passed = [], []
    for seed in range(40):
        settings = {"max_new_tokens": 12, "seed": seed, "temperature": 9.0}
        expected = plain.generate("b ", **settings)
        try:
            Filters([words]).check_text(f"b {expected}")
        except FilteredError:
            refused.append(seed)
            with pytest.raises(FilteredError, match="the text"):
                model.generate("b ", **settings)
            with pytest.raises(FilteredError, match="the text"):
                list(model.stream("b ", **settings))
        else:
            passed.append(seed)
            assert model.generate("b ", **settings) == expected
            assert "".join(model.stream("b ", **settings)) == expected
    assert refused and passed


def test_conversations_too(tmp_path, words):
    bundle = tiny_text_bundle.write_chat_bundle(tmp_path / "talker")
    model = serving.load(bundle, device="cpu", filters=[words])
    with pytest.raises(FilteredError, match="the messages"):
        model.chat([{"role": "user", "content": "b a"}], max_new_tokens=2)


def test_what_cannot_filter_is_an_error_of_one_line(tmp_path):
    (tmp_path / "empty").write_text("# nothing\n")
    (tmp_path / "bytes").write_bytes(b"\xff")
    named = ("word:x", "words", f"words:{tmp_path / 'away'}", f"words:{tmp_path / 'empty'}",
             f"words:{tmp_path / 'bytes'}")  # fmt: skip
    for each in named:
        with pytest.raises((UsageError, GenzooError)) as caught:
            serving.load("vae-mnist", filters=[each])
        assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="did you mean 'words'"):
        Filters(["word:x"])


def test_pictures_are_looked_at_one_by_one():
    image = registry.content("image")
    processing = {"image_shape": (4, 4, 1)}
    for value in (np.zeros((2, 3, 4, 4, 1), np.uint8), np.zeros((6, 4, 4, 1), np.float32)):
        pieces = image.looked_at(value, processing)
        assert len(pieces) == 6 and {each.shape for each in pieces} == {(4, 4, 1)}
        assert {each.dtype for each in pieces} == {np.dtype(np.uint8)}


def test_the_command_line_refuses_in_one_line(genzoo, text, words, place):
    code, out, err = genzoo("generate", text, "--prompt", "b a b", "--filter", words)
    assert code == 2 and err.startswith("genzoo: the filter 'words' refuses the prompt")
    assert out == "" and err.count("\n") == 1


class Counting(Filter):
    """Counts the characters that it is asked about."""

    def __init__(self):
        super().__init__("")
        self.seen = 0

    def words(self, text):
        self.seen += len(text)
        return "it ends badly" if text.endswith("amen") else None


def test_a_long_text_is_not_looked_at_whole_at_each_word():
    filters, counting = Filters([]), Counting()
    filters._filters = [("counting", counting)]
    pieces = ["word "] * 4000
    assert "".join(filters.streamed(pieces)) == "word " * 4000
    assert counting.seen < 4000 * (REMEMBERED + 20) + 3 * 5 * 4000


def test_the_end_is_judged_by_the_whole_text(tmp_path):
    filters = Filters([])
    filters._filters = [("counting", Counting())]
    with pytest.raises(FilteredError, match="it ends badly"):
        list(filters.streamed(["word "] * 2000 + ["amen"]))
