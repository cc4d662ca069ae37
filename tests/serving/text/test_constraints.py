"""Texts that follow a schema, a regular expression or a grammar, of networks that know nothing."""

import json
import re
import sys
from itertools import takewhile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import serving
from serving.catalogue import MODELS
from serving.errors import GenzooError, UsageError
from serving.noise import uniform
from serving.text.constraints import Grammars, _numbers, _Vocabulary
from serving.text.sampling import Sampler
from serving.text.sampling_config import SamplingConfig
from serving.text.text import TextModel
from serving.text.tokenizer import Tokenizer
from tests.serving.text.toy_language import CORPUS, ToyStep, language_model, only_characters
from zoo.data.tokenizers import bpe_tokenizer

pytest.importorskip("llguidance", reason="llguidance is not installed")
KINDS = [
    {"type": "string", "maxLength": 5},
    {"type": "integer", "minimum": -9, "maximum": 99},
    {"type": "boolean"},
    {"enum": ["red", "grün", None, 3]},
    {"type": "array", "items": {"type": "number", "minimum": 0, "maximum": 1}, "maxItems": 2},
    {"type": "object", "properties": {"x": {"const": "€"}}, "additionalProperties": False},
]
FIELDS = {f"f{at}": KINDS[at % len(KINDS)] for at in range(30)}
SCHEMA = {
    "type": "object",
    "properties": FIELDS,
    "required": [*FIELDS],
    "additionalProperties": False,
}
SMALL = {
    "type": "object",
    "properties": {name: FIELDS[name] for name in ("f0", "f1", "f3")},
    "required": ["f0", "f1"],
    "additionalProperties": False,
}
SUM = 'start: NUMBER (" + " NUMBER){2}\nNUMBER: /[1-9][0-9]{0,2}/'
CHARACTERS = language_model()


@pytest.fixture(scope="module")
def model():
    """A network of random weights, and byte pairs, of which some were learned from JSON."""
    some = json.dumps(dict.fromkeys(FIELDS, "red")) * 3
    tokenizer = Tokenizer(bpe_tokenizer([some], 300).to_str().encode())
    return TextModel(ToyStep(tokenizer.size), tokenizer, context=48)


def follows(text, schema=SMALL):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    found = json.loads(text)
    jsonschema.Draft202012Validator(schema).validate(found)
    return found


def test_every_text_is_of_the_schema(model):
    for first in range(0, 200, 25):
        options = {"json_schema": SCHEMA, "seed": [*range(first, first + 25)], "temperature": 2.0}
        written = model.complete(["a"] * 25, 600, **options)
        assert [each.reason for each in written] == ["end"] * 25
        found = [follows(each.text, SCHEMA) for each in written]
        assert all(list(each) == [*FIELDS] for each in found)
        assert len({each.text for each in written}) == 25


@pytest.mark.parametrize(
    "sampling",
    [
        {},
        {"temperature": 0.0},
        {"temperature": 3.0, "top_k": 5},
        {"top_p": 0.9, "min_p": 0.01, "repetition_penalty": 1.3},
        {"logit_bias": {2: 1e4}},
    ],
)
def test_the_same_text_alone_in_a_batch_in_pieces_and_with_guesses(model, sampling):
    said = [{"json_schema": SMALL}, {"regex": r"(ab|cd){3,5}"}, {"grammar": SUM}, {}]
    rows = {kind: [each.get(kind) for each in said] for kind in ("json_schema", "regex", "grammar")}
    together = model.generate(["a", "bc", "d", "e"], 90, seed=[1, 2, 3, 4], **rows, **sampling)
    pairs = zip(["a", "bc", "d", "e"], [1, 2, 3, 4], said, strict=True)
    for (prompt, seed, one), text in zip(pairs, together, strict=True):
        options = {"max_new_tokens": 90, "seed": seed, **one, **sampling}
        assert model.generate(prompt, **options) == text
        assert "".join(model.stream(prompt, **options)) == text
        assert model.generate(prompt, prompt_lookup_num_tokens=4, **options) == text
    follows(together[0])
    assert re.fullmatch(r"(ab|cd){3,5}", together[1])
    assert re.fullmatch(r"[1-9][0-9]{0,2}( \+ [1-9][0-9]{0,2}){2}", together[2])


def test_guesses_come_true(model):
    text = model.generate("a", 90, regex="(red green ){9}", seed=1)
    assert (
        model.generate("a", 90, regex="(red green ){9}", seed=1, prompt_lookup_num_tokens=4) == text
    )
    assert text == "red green " * 9 and model.last_lookup.accepted > 20


@pytest.mark.parametrize("schema", [SMALL, json.dumps(SMALL), json.dumps(SMALL, indent=2)])
def test_a_schema_may_be_text(model, schema):
    assert model.generate("a", json_schema=schema, seed=5) == model.generate(
        "a", json_schema=SMALL, seed=5
    )


@pytest.mark.parametrize(
    "regex", ["", "abc", "[a-z]{2}€?", "(?i)yes|no", r"\d{3}-\d{2}", "[^a]é{2}"]
)
def test_a_regular_expression_is_matched_from_end_to_end(model, regex):
    for seed in range(5):
        [written] = model.complete("a", 60, regex=regex, seed=seed)
        assert re.fullmatch(regex, written.text) and written.reason == "end"
        assert written.ids[-1] == model.tokenizer.eos
        assert all(np.isfinite(written.log_probs))


def test_at_max_new_tokens_it_ends_in_the_middle(model):
    [written] = model.complete("a", 7, json_schema=SCHEMA, seed=1)
    assert written.reason == "length" and len(written.ids) == 7
    whole = model.generate("a", 600, json_schema=SCHEMA, seed=1)
    assert whole.startswith(written.text) and written.text.startswith('{"f0": "')
    [stopped] = model.complete("a", 600, json_schema=SCHEMA, seed=1, stop='"f1"')
    assert stopped.reason == "stop" and whole.startswith(stopped.text + '"f1"')


def test_what_allows_everything_changes_nothing():
    plain = {"logit_bias": only_characters(CHARACTERS.tokenizer), "top_k": 9, "temperature": 0.7}
    for seed in range(9):
        free = CHARACTERS.complete("abc", 20, seed=seed, **plain)
        assert CHARACTERS.complete("abc", 20, seed=seed, regex="[a-h .é中]*", **plain) == free


def test_a_token_that_is_the_only_one_uses_its_number_up():
    known = CHARACTERS.tokenizer
    config = SamplingConfig(regex="abc[a-h]")
    sampler = Sampler([config], [7], [[3]], known.size, [Grammars(known).constraint(config)])
    logits = np.zeros((1, known.size))
    letters = [token for character in "abcdefgh" for token in known.encode(character)]
    np.testing.assert_array_equal(sampler.probabilities(logits)[0], np.eye(known.size)[letters[0]])
    drawn = [sampler.draw(logits)[0] for _ in range(3)]
    shares = sampler.probabilities(logits)[0]
    np.testing.assert_allclose(shares[letters], 1 / 8)
    numbers = uniform(7)
    fourth = [next(numbers) for _ in range(4)][3]
    drawn += sampler.draw(logits)
    assert drawn == [*letters[:3], letters[int(8 * fourth)]]
    assert sampler.draw(logits) == [known.eos]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"regex": "[a"}, "regex cannot be followed: .* error: unclosed character class"),
        ({"regex": "(?=a)b"}, "error: look-around"),
        ({"grammar": "start: x"}, 'grammar cannot be followed: .*unknown name: "x"'),
        ({"grammar": ""}, "grammar cannot be followed: Empty grammar"),
        ({"json_schema": {"type": "text"}}, "json_schema cannot be followed: Invalid type: text"),
        ({"json_schema": {"$ref": "https://example.org/x"}}, "does not fetch resources"),
        ({"json_schema": {"uniqueItems": True}}, "json_schema cannot be followed: Unimplemented"),
        ({"json_schema": "{'a': 1}"}, "json_schema is no JSON: Expecting property name"),
        ({"json_schema": "[" * 10**5}, "json_schema is no JSON: "),
        ({"json_schema": "[]"}, "json_schema is no JSON object"),
        ({"json_schema": {"a": {1}}}, "json_schema is no JSON: .* not JSON serializable"),
        ({"json_schema": 3}, "json_schema is 3; expected an object, or its text"),
        ({"regex": 3}, "regex is 3; expected a string"),
        ({"regex": "a", "grammar": SUM}, "regex and grammar are given; a text follows one of them"),
        ({"regex": ["a", "b"]}, "regex has 2 values for 1 prompts"),
    ],
)
def test_what_cannot_be_followed_is_one_line(model, options, complaint):
    for call in (model.generate, model.stream, model.complete):
        with pytest.raises(UsageError, match=complaint) as caught:
            call("a", **options)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"json_schema": SMALL},
            "what json_schema begins with has characters .* not know: '{', '\"'",
        ),
        ({"regex": "x+"}, "what regex begins with has characters"),
        ({"regex": "[xyz]"}, "no token of this model goes on at the beginning as regex asks"),
        ({"regex": "abc[xyz]"}, "no token of this model goes on after 'abc' as regex asks"),
        ({"regex": "abé[xyz]"}, "no token of this model goes on after 'abé' as regex asks"),
        ({"regex": "(ab|cd)x"}, "no token of this model goes on after '(ab|cd)' as regex asks"),
    ],
)
def test_characters_that_the_model_lacks_are_one_line(options, complaint):
    with pytest.raises(GenzooError, match=complaint) as caught:
        CHARACTERS.generate("a", **options)
    assert "\n" not in str(caught.value)
    assert CHARACTERS.generate("a", 30, regex="(abc)+ (é|中)?", seed=3)


@given(st.text(f"{CORPUS}xyz", max_size=9))
def test_what_can_only_come_next_is_spelt_as_far_as_the_model_knows_it(text):
    vocabulary, known = _Vocabulary(CHARACTERS.tokenizer), "".join(takewhile(CORPUS.count, text))
    assert b"".join(vocabulary.tokens[token] for token in vocabulary(text)) == known.encode()
    assert known != text or vocabulary(text) == CHARACTERS.tokenizer.encode(text)


def test_a_space_that_a_tokenizer_puts_before_a_text_is_not_what_comes_next(model):
    """As those do that are derived from SentencePiece."""

    class Spaced(Tokenizer):
        def encode(self, text, what="the prompt"):
            return super().encode(f" {text}" if isinstance(text, str) else text, what)

    spaced = Spaced(model.tokenizer._tokenizer.to_str().encode())
    writer = TextModel(ToyStep(spaced.size), spaced, 48)
    for seed in range(5):
        follows(writer.generate("a", 90, json_schema=SMALL, seed=seed))


def test_a_network_without_numbers_is_still_an_error(model):
    network = ToyStep(model.tokenizer.size)
    network.head *= np.nan
    with pytest.raises(GenzooError, match="NaN or infinite"):
        TextModel(network, model.tokenizer, 48).generate("b", regex="[abc]+")


def test_a_library_that_is_missing_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "llguidance", None)
    fresh = language_model()
    assert fresh.generate("a", 3, seed=1)
    with pytest.raises(GenzooError, match=r"pip install 'genzoo\[constraints\]'$"):
        fresh.generate("a", regex="a+")


def test_a_published_model_follows_too():
    gpt = serving.load(MODELS / "gpt-python-topics", device="cpu")
    texts = gpt.generate("The ", 200, n=20, json_schema=SMALL, seed=7, temperature=0.8)
    assert len({*texts}) > 10 and all(follows(text) for text in texts)
    assert "".join(gpt.stream("The ", 200, json_schema=SMALL, seed=7, temperature=0.8)) == texts[0]


@given(st.binary(max_size=40).filter(lambda data: len(data) % 4 == 0))
def test_the_bits_of_a_mask_are_numbered_from_the_lowest(data):
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
    np.testing.assert_array_equal(_numbers(data), np.flatnonzero(bits))
