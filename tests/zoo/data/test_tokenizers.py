"""Tokenizers: what they make of a text, and what other libraries find in the file."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from serving.errors import UsageError
from zoo.data import tokenizers
from zoo.data.tokenizers import BOS, EOS, PAD, bpe_tokenizer, character_tokenizer, encode

CORPUS = "the cat sat on the mat. the cat ate the rat. " * 20
FEW = settings(max_examples=50, deadline=None)


@FEW
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_character_is_one_token_whatever_it_is(text):
    tokenizer = character_tokenizer(text)
    ids = encode(tokenizer, text)
    assert len(ids) == len(text) and len(set(ids)) == len(set(text))
    assert min(ids) >= 3 and tokenizer.decode(ids) == text


def test_a_character_tokenizer_of_ascii_has_no_merges_and_no_more_tokens_than_characters():
    tokenizer = character_tokenizer("ROMEO:\nO, wherefore art thou?")
    model = json.loads(tokenizer.to_str())["model"]
    assert model["type"] == "BPE" and model["merges"] == []
    assert tokenizer.get_vocab_size() == 3 + len(set("ROMEO:\nO, wherefore art thou?"))


def test_unknown_characters_are_named():
    tokenizer = character_tokenizer("abcé")
    with pytest.raises(UsageError, match="does not know: 'x', 'ã', '中'; leave") as caught:
        encode(tokenizer, "a中bxã")
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError, match="and 18 more"):
        encode(tokenizer, "defghijklmnopqrstuvwxyz123")


@FEW
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_bpe_knows_every_text(text):
    tokenizer = bpe()
    assert tokenizer.decode(encode(tokenizer, text)) == text


def bpe():
    return bpe_tokenizer([CORPUS], 270)


def test_bpe_is_trained_from_the_corpus_and_the_same_every_time():
    tokenizer = bpe()
    assert tokenizer.get_vocab_size() == 270
    assert tokenizer.to_str() == bpe().to_str()
    assert len(encode(tokenizer, CORPUS)) < len(CORPUS) / 2


@pytest.mark.parametrize("letter", ["A", "7", "-", " ", "é"])
def test_merges_are_learned_from_words_of_bounded_length(letter):
    """Else learning takes the square of the length; the file says nothing of it."""
    whole = bpe_tokenizer([letter * 5000], 300)
    longest = max(map(len, whole.get_vocab()))
    assert tokenizers.LONGEST / 4 < longest <= tokenizers.LONGEST * len(letter.encode())
    assert (
        json.loads(whole.to_str())["pre_tokenizer"] == json.loads(bpe().to_str())["pre_tokenizer"]
    )
    ids = encode(whole, letter * 5000)
    assert len(ids) < 10 and whole.decode(ids) == letter * 5000


def test_words_of_usual_length_are_learned_from_as_they_are(monkeypatch):
    words = [CORPUS, " ".join(letter * (tokenizers.LONGEST - 1) for letter in "xy1-"), "\n" * 9]
    cut = bpe_tokenizer(words, 400).to_str()
    nothing = pre_tokenizers.Split("never in the corpus", "isolated")
    monkeypatch.setattr(tokenizers, "_CUTTER", nothing)
    assert bpe_tokenizer(words, 400).to_str() == cut


def test_bpe_has_room_for_the_bytes():
    with pytest.raises(UsageError, match="expected at least 259"):
        bpe_tokenizer([CORPUS], 258)


@pytest.mark.parametrize("make", [bpe, lambda: character_tokenizer(CORPUS + "<|eos|>")])
def test_special_tokens_have_their_own_ids_and_no_text_gives_them(make, tmp_path):
    tokenizer = make()
    assert [tokenizer.id_to_token(id) for id in (PAD, BOS, EOS)] == [
        "<|pad|>",
        "<|bos|>",
        "<|eos|>",
    ]
    tokenizers.save(tokenizer, tmp_path, context=64)
    for known in (tokenizer, tokenizers.load(tmp_path)):
        ids = encode(known, "<|eos|>")
        assert min(ids) > EOS and known.decode(ids) == "<|eos|>"
    assert tokenizer.decode([EOS, *ids, PAD]) == "<|eos|>"  # left out when decoding


def test_files_that_other_libraries_read(tmp_path):
    tokenizer = character_tokenizer(CORPUS)
    tokenizers.save(tokenizer, tmp_path, context=64)
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert settings["tokenizer_class"] == "GPT2Tokenizer" and settings["model_max_length"] == 64
    assert {settings[f"{name}_token"] for name in ("pad", "bos", "eos")} == set(tokenizers.SPECIAL)
    whole = json.loads((tmp_path / "tokenizer.json").read_text())
    assert whole["pre_tokenizer"]["type"] == whole["decoder"]["type"] == "ByteLevel"
    assert [token["id"] for token in whole["added_tokens"]] == [PAD, BOS, EOS]
    read = tokenizers.load(tmp_path)
    np.testing.assert_array_equal(encode(read, CORPUS), encode(tokenizer, CORPUS))


@pytest.mark.parametrize("content", [None, "{}", "no json"])
def test_a_file_that_is_no_tokenizer(tmp_path, content):
    if content:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(UsageError, match=r"tokenizer\.json is no tokenizer") as caught:
        tokenizers.load(tmp_path)
    assert "\n" not in str(caught.value)
