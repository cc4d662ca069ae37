"""The tokenizer, and text that comes in pieces: whole characters, up to the first stop string."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import UsageError
from serving.text.tokenizer import StopStrings, Tokenizer
from tests.serving.text.complaint import complaint
from tests.serving.text.toy_language import tokenizer
from zoo.data.tokenizers import bpe_tokenizer

FEW = settings(max_examples=40, deadline=None)


def first_complete(text, strings):
    """What is left of a text, and the stop string that is complete first; by the definition."""
    for end in range(1, len(text) + 1):
        ending = [string for string in strings if text[:end].endswith(string)]
        if ending:
            found = max(ending, key=len)
            return text[: end - len(found)], found
    return text, None


@settings(max_examples=200, deadline=None)
@given(
    st.text("abcé", max_size=12),
    st.lists(st.text("abcé", min_size=1, max_size=4), max_size=3),
    st.data(),
)
def test_stop_strings_do_not_depend_on_the_pieces_of_the_text(text, strings, data):
    borders = data.draw(st.sets(st.integers(0, len(text))))
    stop, shown, begin = StopStrings(strings), "", 0
    for end in [*sorted(borders), len(text)]:
        shown += stop.push(text[begin:end])
        assert first_complete(text, strings)[0].startswith(shown)  # what was shown stays
        begin = end
    shown += stop.end()
    assert (shown, stop.found) == first_complete(text, strings)


def test_of_overlapping_stop_strings_the_first_to_be_complete_counts():
    for pieces in (["xabcy"], ["xab", "cy"], list("xabcy")):
        stop = StopStrings(["abc", "b", "ab"])
        assert "".join(map(stop.push, pieces)) + stop.end() == "x" and stop.found == "ab"


@FEW
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_bytes_of_tokens_are_the_text(text):
    known = Tokenizer(bpe_tokenizer(["abc abc abd"], 262).to_str().encode())
    ids = known.encode(text)
    assert b"".join(map(known.bytes_of, ids)) == text.encode() and known.decode(ids) == text


def test_special_tokens_are_no_text():
    known = tokenizer()
    assert (known.pad, known.bos, known.eos) == (0, 1, 2)
    assert known.decode([known.bos, *known.encode("abé中"), known.eos]) == "abé中"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{}", "cannot be read"),
        (b"\xff", "cannot be read"),
        (tokenizer()._tokenizer.to_str().replace("<|eos|>", "<|end|>").encode(), "no <|eos|>"),
    ],
)
def test_a_file_that_is_no_tokenizer_of_the_zoo(data, message):
    assert message in complaint(Tokenizer, data)


def test_unicode_that_is_no_text():
    assert "expected a string" in complaint(tokenizer().encode, b"abc")
    with pytest.raises(UsageError, match="half of a surrogate"):
        tokenizer().encode("a\udc00")


def test_a_space_that_is_put_before_a_text_is_taken_off_again():
    made = bpe_tokenizer(["low lower"] * 2, 262, prefix_space=True)
    known = Tokenizer(made.to_str().encode())
    assert known.encode("low")[0] == known.encode("lower low")[-1]
    for text in ("low", " low", "low lower ", "é"):
        assert known.decode(known.encode(text)) == made.decode(made.encode(text).ids)
    assert known.decode(known.encode("low lower")) == "low lower"
    assert known.decode(known.encode("low"), after=True) == " low"
