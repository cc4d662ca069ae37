"""Tokenizers of others give the tokens that they give there, and text that comes token by token."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.errors import GenzooError, UsageError
from serving.text.spelling import patterns
from serving.text.tokenizer import Tokenizer
from tests.serving.text import foreign
from tests.serving.text.complaint import complaint

# However busy the machine is.
SLOW = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
MANY = settings(max_examples=1000, **SLOW)
SOME = settings(max_examples=200, **SLOW)
MADE = {
    "byte-level": foreign.byte_level(),
    "Mistral's": foreign.byte_level(patterns.TEKKEN),
    "Llama 2": foreign.like_sentencepiece(legacy=True),
    "Llama 2 of today": foreign.like_sentencepiece(legacy=False),
}
KNOWN = {
    name: Tokenizer(made.to_str().encode(), ends=[made.token_to_id("</s>")])
    for name, made in MADE.items()
}
KINDS = pytest.mark.parametrize("name", MADE)


@pytest.fixture(scope="module")
def theirs():
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    return {
        name: transformers.PreTrainedTokenizerFast(tokenizer_object=made)
        for name, made in MADE.items()
    }


@KINDS
@MANY
@given(text=foreign.TEXTS)
def test_the_ids_are_those_of_transformers(theirs, name, text):
    ours, source = KNOWN[name], theirs[name]
    plain = source(text, split_special_tokens=True, add_special_tokens=False).input_ids
    assert ours.encode(text) == plain
    assert ours.encode_special(text) == source(text, add_special_tokens=False).input_ids
    assert [*ours.begin, *ours.encode_special(text)] == source(text).input_ids
    assert ours.encode_special(ours.quoted(text)) == plain


@KINDS
@SOME
@given(text=foreign.TEXTS)
def test_decoding_is_that_of_the_library(name, text):
    """But for bytes that are no UTF-8: there the library loses what is good beside them."""
    ours, source = KNOWN[name], MADE[name]
    ids = ours.encode_special(text)
    assert ours.decode(ids) == source.decode(ids)


@KINDS
@SOME
@given(data=st.data())
def test_a_stream_is_what_the_whole_decodes_to(name, data):
    """Of whatever tokens; after a prompt as well, unless that ends within a character."""
    known = KNOWN[name]
    numbers = st.lists(st.integers(0, known.size - 1), max_size=12)
    ids = data.draw(numbers)
    stream = known.stream()
    pieces = [stream.push(number) for number in ids]
    assert "".join(pieces) + stream.end() == known.decode(ids)
    assert all("\ufffd" not in piece or piece in known.decode(ids) for piece in pieces)
    text = data.draw(foreign.TEXTS)
    prompt = known.encode(text)
    after = any(map(known.bytes_of, prompt))
    assert known.decode(prompt) + known.decode(ids, after) == known.decode(prompt + ids)


@KINDS
def test_a_character_of_many_tokens_comes_whole(name):
    known = KNOWN[name]
    ids = known.encode("a 👩‍👩‍👧b")
    stream = known.stream()
    pieces = [stream.push(number) for number in ids]
    assert "".join(pieces) == "a 👩‍👩‍👧b"
    assert "" in pieces and "\ufffd" not in "".join(pieces)


def test_a_space_at_the_beginning_is_one_after_a_text():
    known = KNOWN["Llama 2"]
    ids = known.encode("the cat")
    assert known.decode(ids) == "the cat" and known.decode(ids, after=True) == " the cat"


def test_what_is_put_before_a_text_and_what_ends_it():
    made = MADE["Llama 2"]
    data, begin = made.to_str().encode(), made.token_to_id("<s>")
    ends = [made.token_to_id("<|im_end|>"), made.token_to_id("</s>")]
    known = Tokenizer(data, ends=ends)
    assert (known.begin, known.eos, known.ends) == ((begin,), ends[0], {*ends})
    assert (known.pad, known.beginning) == (None, "")
    other = Tokenizer(data, ends=ends, begin=[])
    assert other.begin == () and other.beginning == "\n"
    assert "no <|eos|>, and nobody says" in complaint(Tokenizer, data)
    with pytest.raises(GenzooError, match="has no token 9999"):
        Tokenizer(data, ends=[9999])
    beyond = MADE["byte-level"].to_str().encode()
    with pytest.raises(GenzooError, match="has no token 300, to end a text or begin it"):
        Tokenizer(beyond, ends=[0], limit=300)


# --- vocabularies of another size than the model's ---


def test_tokens_that_were_added_beyond_the_model():
    made = MADE["byte-level"]
    known = Tokenizer(made.to_str().encode(), ends=[0], begin=[], limit=300)
    assert known.size == 300 and known.whole
    assert known.encode_special("the cat") == MADE["byte-level"].encode("the cat").ids[1:]
    with pytest.raises(UsageError, match="'<think>', of which the model knows nothing"):
        known.encode("a <think>")
    beyond = f"more tokens than the model, which has {290}"
    with pytest.raises(GenzooError, match=beyond):
        Tokenizer(made.to_str().encode(), ends=[0], limit=290)


def test_ids_that_no_token_has_are_not_drawn():
    document = json.loads(MADE["byte-level"].to_str())
    tokens = len(document["model"]["vocab"]) + len(document["added_tokens"])
    known = Tokenizer(json.dumps(document).encode(), ends=[0], limit=tokens + 20)
    assert (known.size, known.whole) == (tokens, False)
    assert known.drawable(np.zeros((2, tokens + 20))).shape == (2, tokens)
    # Llama 2 has its added tokens among the others.
    document = json.loads(MADE["Llama 2"].to_str())
    last = max(document["model"]["vocab"], key=document["model"]["vocab"].get)
    vocabulary = document["model"]["vocab"]
    rare = next(token for token, number in vocabulary.items() if number == 280)
    document["model"]["merges"] = [pair for pair in document["model"]["merges"] if rare not in pair]
    del vocabulary[rare]
    document["added_tokens"] = [each for each in document["added_tokens"] if each["id"] < 5]
    known = Tokenizer(json.dumps(document).encode(), ends=[1], limit=vocabulary[last] + 3)
    logits = known.drawable(np.zeros(vocabulary[last] + 3))
    assert np.flatnonzero(np.isinf(logits)).tolist() == [280]


def test_a_decoder_that_needs_all_tokens_at_once():
    document = json.loads(MADE["Llama 2"].to_str())
    document["decoder"]["decoders"][-1]["stop"] = 1
    with pytest.raises(GenzooError, match="neither byte-level nor derived from SentencePiece"):
        Tokenizer(json.dumps(document).encode(), ends=[1])
    document["decoder"] = None
    with pytest.raises(GenzooError, match="it decodes by nothing"):
        Tokenizer(json.dumps(document).encode(), ends=[1])


def test_merges_as_words_and_as_pairs():
    document = json.loads(MADE["byte-level"].to_str())
    document["model"]["merges"] = [" ".join(pair) for pair in document["model"]["merges"]]
    known = Tokenizer(json.dumps(document).encode(), ends=[0])
    assert known.encode("the cat") == KNOWN["byte-level"].encode("the cat")
