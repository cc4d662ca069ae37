"""The tokenizer inside a GGUF file gives, in llama.cpp, the ids that it gives here."""

import json
import string

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, pre_tokenizers

from export import ExportError
from export.checkpoints import gguf
from export.checkpoints.gguf_tokenizer import vocabulary_of, why_not
from tests.export.checkpoints.readers import LlamaCpp
from zoo.data import tokenizers
from zoo.transformer import GPT, GPTConfig

TEXT = (
    "First Citizen:\nBefore we proceed any further, hear me speak. It's 1,024 o'clock; we'll see!\n"
    "class A:\n    x = [1, 22, 333]  # naïve café, Œuvre, 数学, العربية, \U0001f600\n\n\t\tend\n"
)
SOME = st.text(st.sampled_from(TEXT + string.printable + "\u2028\u00a0\u3000é"), max_size=60)


def digits_apart(tokenizer: Tokenizer) -> Tokenizer:
    """Cut text as SmolLM2 does."""
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), tokenizer.pre_tokenizer]
    )
    return tokenizer


MADE = {
    "characters": lambda: tokenizers.character_tokenizer(TEXT),
    "ascii characters": lambda: tokenizers.character_tokenizer(string.printable),
    "byte pairs": lambda: tokenizers.bpe_tokenizer([TEXT, TEXT], 340),
    "byte pairs, digits apart": lambda: digits_apart(tokenizers.bpe_tokenizer([TEXT], 330)),
}


@pytest.fixture(scope="module", params=MADE)
def pair(request, tmp_path_factory):
    """A tokenizer, and llama.cpp with a file that holds it; read only."""
    tokenizer = MADE[request.param]()
    size = tokenizer.get_vocab_size() + 5  # the network has room for more
    model = GPT(GPTConfig(vocabulary_size=size, context=8, layers=1, width=32, heads=2))
    file = tmp_path_factory.mktemp("tokenizer") / "x.gguf"
    vocabulary, special = vocabulary_of(tokenizer.to_str().encode()), {"bos": 1, "eos": 2, "pad": 0}
    gguf.write(model, file, gguf.ENCODINGS["F32"], gguf.About("x"), vocabulary, special)
    return tokenizer, LlamaCpp(file, 8)


def assert_the_same(pair, text):
    tokenizer, llama = pair
    known = tokenizers.known_characters(tokenizer, text)
    text = "".join(character for character in text if character in known)
    assert llama.tokens(text) == tokenizers.encode(tokenizer, text).tolist()


def test_ids_are_the_same_for_a_text(pair):
    assert_the_same(pair, TEXT)
    assert_the_same(pair, "<|bos|>a <|pad|>")  # plain text


@settings(max_examples=150, deadline=None)
@given(text=SOME | st.text(max_size=40))
def test_ids_are_the_same_for_any_text(pair, text):
    assert_the_same(pair, text)


def changed(change):
    document = json.loads(tokenizers.bpe_tokenizer([TEXT], 300).to_str())
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda file: file["model"].update(type="WordPiece"), "the tokenizer is WordPiece"),
        (lambda file: file["model"].update(byte_fallback=True), "GGUF cannot say byte_fallback"),
        (lambda file: file["model"].update(unk_token="x"), "GGUF cannot say unk_token 'x'"),
        (lambda file: file.update(normalizer={"type": "NFC"}), "normalises text"),
        (lambda file: file.update(post_processor={"type": "TemplateProcessing"}), "adds to each"),
        (lambda file: file["pre_tokenizer"].update(add_prefix_space=True), "no name for how"),
        (lambda file: file.update(pre_tokenizer=None), "no name for how"),
        (lambda file: file["model"]["vocab"].update(more=999), "without a gap"),
        (lambda file: file.pop("model"), "is not byte-level BPE"),
        (lambda file: file.update(added_tokens=[3]), "is not byte-level BPE"),
    ],
)
def test_what_a_file_cannot_say_is_refused(change, complaint):
    found = why_not(changed(change))
    assert complaint in found and "\n" not in found
    with pytest.raises(ExportError, match=complaint):
        vocabulary_of(changed(change))


def test_what_is_no_tokenizer_is_refused():
    for data in (b"", b"\xff", b"[]", b"null"):
        assert "is not byte-level BPE" in why_not(data)


def test_merges_may_be_written_in_either_way():
    def with_spaces(document):
        model = document["model"]
        model["merges"] = [" ".join(pair) for pair in model["merges"]]

    found, plain = vocabulary_of(changed(with_spaces)), vocabulary_of(changed(lambda file: None))
    assert found == plain and len(found.merges) == 300 - tokenizers.SMALLEST
    assert np.array_equal(sorted(found.special), sorted(tokenizers.SPECIAL))
