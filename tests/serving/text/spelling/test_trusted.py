"""Tokenizers of somebody else's: well-known ones pass, and nothing that blows up."""

import copy
import json

import pytest

import serving
from serving.bundle.records import BundleError
from serving.errors import GenzooError
from serving.text.spelling import patterns, trusted
from tests.serving import tiny_bundle, tiny_text_bundle
from zoo.data import tokenizers

GOOD = json.loads(tokenizers.bpe_tokenizer(["low lower lowest"] * 2, 262).to_str())
TEXT = "Hello  wörld 123\n"
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def split(pattern, **other):
    parts = {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}
    return parts | other


def replace(pattern, content):
    return {"type": "Replace", "pattern": pattern, "content": content}


def template(single, **special):
    tokens = {name: {"id": name, "ids": [0], "tokens": [name]} for name in special.values()}
    pair = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": pair,
        "special_tokens": tokens,
    }


def changed(change):
    document = copy.deepcopy(GOOD)
    for path, value in change.items():
        *parents, last = path.split(".")
        place = document
        for part in parents:
            place = place[part]
        place[last] = value
    return json.dumps(document).encode()


WELL_KNOWN = {
    "Llama 3": {
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [split({"Regex": patterns.LLAMA3}), BYTES],
        },
        "post_processor": {
            "type": "Sequence",
            "processors": [
                BYTES,
                template(
                    [
                        {"SpecialToken": {"id": "<|bos|>", "type_id": 0}},
                        {"Sequence": {"id": "A", "type_id": 0}},
                    ],
                    begin="<|bos|>",
                ),
            ],
        },
    },
    "Qwen 2": {
        "normalizer": {"type": "NFC"},
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [split({"Regex": patterns.QWEN2}), BYTES],
        },
    },
    "SmolLM": {
        "pre_tokenizer": {
            "type": "Sequence",
            "pretokenizers": [{"type": "Digits", "individual_digits": True}, BYTES],
        }
    },
    "Llama 2": {
        "normalizer": {
            "type": "Sequence",
            "normalizers": [
                {"type": "Prepend", "prepend": "\u2581"},
                replace({"String": " "}, "\u2581"),
            ],
        },
        "pre_tokenizer": None,
        "decoder": {
            "type": "Sequence",
            "decoders": [
                replace({"String": "\u2581"}, " "),
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " ", "start": 1, "stop": 0},
            ],
        },
    },
    "SentencePiece": {
        "pre_tokenizer": {
            "type": "Metaspace",
            "replacement": "\u2581",
            "prepend_scheme": "first",
            "split": False,
        }
    },
}


@pytest.mark.parametrize("name", WELL_KNOWN)
def test_parts_of_well_known_checkpoints(name):
    data = changed(WELL_KNOWN[name])
    expected = trusted.tokenizers.Tokenizer.from_buffer(data).encode(TEXT)
    assert trusted.read(data).encode(TEXT).ids == expected.ids


@pytest.mark.parametrize(
    "made",
    [
        tokenizers.character_tokenizer("to be or not to be, é"),
        tokenizers.bpe_tokenizer(["to be or not"] * 3, 270),
    ],
)
def test_what_this_project_writes(made):
    for pretty in (False, True):
        read = trusted.read(made.to_str(pretty=pretty).encode())
        assert read.get_vocab() == made.get_vocab()
        assert read.encode("to be").ids == made.encode("to be").ids


def growing(times):
    return {"type": "Sequence", "normalizers": [replace({"String": "a"}, "aa")] * times}


LETTER = {"SpecialToken": {"id": "a", "type_id": 0}}
HOSTILE = {
    "a letter becomes many": {"normalizer": replace({"String": "a"}, "a" * 10**7)},
    "a letter becomes two, again and again": {"normalizer": growing(8)},
    "many before the text": {"normalizer": {"type": "Prepend", "prepend": "a" * 10**6}},
    "an empty pattern": {"normalizer": replace({"String": ""}, "")},
    "an empty expression": {"normalizer": replace({"Regex": ""}, "a")},
    "an expression that takes for ever": {"pre_tokenizer": split({"Regex": "(a+)+$"})},
    "an expression of any length": {"pre_tokenizer": split({"Regex": "a?" * 10**5})},
    "a split by nothing": {"pre_tokenizer": split({"String": ""})},
    "parts within parts": {
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Sequence"}]}
    },
    "very many parts": {"pre_tokenizer": {"type": "Sequence", "pretokenizers": [BYTES] * 99}},
    "characters that are mapped": {
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": ""}
    },
    "an unknown normalizer": {"normalizer": {"type": "BertNormalizer"}},
    "a template of tokens that there are not": {"post_processor": template([LETTER])},
    "a template without a text": {"post_processor": template([])},
    "a template of very many tokens": {"post_processor": template([LETTER] * 99, a="a")},
    "another model": {"model": {"type": "Unigram", "vocab": []}},
    "tokens at random": {"model.dropout": 0.5},
    "a prefix": {"model.continuing_subword_prefix": "##"},
    "a number twice": {"model.vocab.low": 5},
    "an added token of another number": {
        "added_tokens": [dict(GOOD["added_tokens"][0], content="<new>", id=999)]
    },
    "a negative number": {"model.vocab.z": -1},
    "a number of any size": {"model.vocab.z": 2**63},
    "an empty token": {"model.vocab.": 262},
    "a token of any length": {"model.vocab." + "z" * 10**6: 262},
    "a merge of three": {"model.merges": [["a", "b", "c"]]},
    "a merge of what is not there": {"model.merges": [["low", "\u2603"]]},
    "an unknown key": {"evil": 1},
    "an unknown version": {"version": "9"},
    "an added token that is empty": {"added_tokens": [dict(GOOD["added_tokens"][0], content="")]},
    "very many added tokens": {"added_tokens": GOOD["added_tokens"] * 10**4},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_what_blows_up_or_panics(what):
    with pytest.raises(GenzooError, match="the tokenizer cannot be read") as caught:
        trusted.read(changed(HOSTILE[what]))
    message = str(caught.value)
    assert len(message) < 500 and message.isprintable()


def test_padding_and_cutting_are_left_out():
    sizes = {"padding": {"strategy": {"Fixed": 10**9}}, "truncation": {"max_length": 0}}
    assert (
        trusted.read(changed(sizes)).encode(TEXT).ids == trusted.read(changed({})).encode(TEXT).ids
    )


def test_what_old_versions_wrote():
    document = json.loads(changed({"model.unk_token": ""}))
    del document["model"]["type"]
    assert trusted.read(json.dumps(document).encode()).encode(TEXT).ids


def test_a_key_that_is_given_twice_has_one_value():
    """What the library is given is written anew, so it cannot read another one."""
    twice = b'{"normalizer": {"type": "Evil"}, ' + changed({})[1:]
    assert trusted.read(twice).normalizer is None


def test_a_panic_is_an_error(monkeypatch):
    class Panic(BaseException):
        pass

    def panics(_):
        raise Panic("index out of\nbounds\x1b[2J")

    monkeypatch.setattr(trusted.tokenizers.Tokenizer, "from_str", panics)
    with pytest.raises(GenzooError, match="index out of") as caught:
        trusted.read(changed({}))
    assert str(caught.value).isprintable()


def test_a_bundle_with_a_hostile_tokenizer(tmp_path):
    bundle = tiny_text_bundle.write_bundle(tmp_path / "bundle")
    document = json.loads((bundle / "tokenizer.json").read_text())
    document["normalizer"] = replace({"String": "a"}, "a" * 10**7)
    (bundle / "tokenizer.json").write_text(json.dumps(document))
    tiny_bundle.reseal(bundle)
    with pytest.raises(BundleError, match="fetch or export the bundle again"):
        serving.load(bundle, device="cpu")
