"""Conversations with a language model: what it reads, where it stops, and what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import serving
from serving.bundle.records import BundleError
from serving.errors import UsageError
from serving.runtime.shared_memory import SharedMemory
from serving.verify import verify
from tests.serving import tiny_text_bundle
from tests.serving.text.toy_language import only_characters
from tests.serving.tiny_bundle import reseal
from tests.serving.tiny_text_bundle import CONTEXT, LANGUAGE, SIZE
from zoo.data.tokenizers import character_tokenizer

PLAIN = {"logit_bias": only_characters(LANGUAGE.tokenizer)}
EOS = LANGUAGE.tokenizer.eos
NANO = Path(serving.__file__).parent.parent / "zoo/models/gpt-shakespeare-nano"


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


@pytest.fixture(scope="module")
def chatting(tmp_path_factory):
    return tiny_text_bundle.write_chat_bundle(tmp_path_factory.mktemp("bundles") / "toy")


@pytest.fixture
def gpt(chatting):
    return serving.load(chatting, device="cpu")


@pytest.fixture
def read(gpt, monkeypatch):
    """How many tokens the model reads at each step."""
    step, read = gpt.step, []

    def counting(ids, *rest):
        read.append(ids.size)
        return step(ids, *rest)

    monkeypatch.setattr(gpt, "step", counting)
    return read


def test_an_answer_is_what_follows_what_the_template_writes(gpt):
    expected = gpt.generate("abc", 4, seed=7, **PLAIN)
    assert gpt.chat([user("abc")], max_new_tokens=4, seed=7, **PLAIN) == expected
    assert "".join(gpt.stream_chat([user("abc")], max_new_tokens=4, seed=7, **PLAIN)) == expected
    assert gpt.last_seed == 7
    told = gpt.chat([user("bc")], system="a", max_new_tokens=4, seed=7, **PLAIN)
    assert told == expected and "chat" in gpt.calls


def test_a_second_turn_does_not_read_the_first_again(gpt, read):
    said = [user("abcdef")]
    answer = gpt.chat(said, max_new_tokens=3, seed=1, **PLAIN)
    assert read == [6, 1, 1]
    read.clear()
    said += [assistant(answer), user("gh")]
    again = gpt.chat(said, max_new_tokens=2, seed=2, **PLAIN)
    # Its own answer it has written, but not read as one reads a prompt; see `serving.text.memory`.
    assert read == [len(answer) + 1 + 2, 1]
    fresh = serving.load(gpt.directory, device="cpu")
    assert again == fresh.chat(said, max_new_tokens=2, seed=2, **PLAIN)


def test_what_ends_an_answer(chatting, tmp_path, gpt):
    forced = {"logit_bias": {EOS: 1e4}}
    assert gpt.chat([user("abc")], max_new_tokens=9, **forced) == ""
    both = shutil.copytree(chatting, tmp_path / "both")
    letter = LANGUAGE.tokenizer.encode("d")[0]
    processing = json.loads((both / "bundle.json").read_text())["processing"]
    reseal(both, processing=processing | {"end_tokens": [EOS, letter]})
    model = serving.load(both, device="cpu")
    for end in (EOS, letter):
        bias = {"logit_bias": {end: 1e4}}
        assert model.chat([user("abc")], max_new_tokens=9, **bias) == ""
        [written] = model.complete("abc", 9, **bias)
        assert (written.ids, written.text, written.reason) == ((end,), "", "end")
    assert gpt.chat([user("abc")], max_new_tokens=2, logit_bias={letter: 1e4}) == "dd"


def test_what_is_put_before_a_prompt_is_not_put_before_a_conversation(chatting, tmp_path):
    begun = shutil.copytree(chatting, tmp_path / "begun")
    processing = json.loads((begun / "bundle.json").read_text())["processing"]
    bos = LANGUAGE.tokenizer.bos
    reseal(begun, processing=processing | {"begin_tokens": [bos]})
    model = serving.load(begun, device="cpu")
    step, seen = model.step, []
    model.step = lambda ids, *rest: seen.append(ids[0].tolist()) or step(ids, *rest)
    letters = LANGUAGE.tokenizer.encode("abc")
    model.generate("abc", 1, seed=1)
    model.chat([user("abc")], max_new_tokens=1, seed=1)
    assert seen == [[bos, *letters], letters]
    model.generate("", 1, seed=1)
    assert seen[-1] == [bos] and model.score("ab").tokens == 2


def test_a_special_token_in_a_message_is_plain_text(gpt):
    with pytest.raises(UsageError, match=r"the conversation has characters .* know: '<', '|'"):
        gpt.chat([user("a<|eos|>b")])


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ("abc", "messages are 'abc'; expected a list such as"),
        ([], "messages are []"),
        (["abc"], "message 1 is 'abc'"),
        ([{"role": "user"}], "message 1 is {'role': 'user'}"),
        ([user("a"), {"role": "user", "content": "a", "name": "b"}], "message 2 is"),
        ([{"role": "bot", "content": "a"}], "the role of message 1 is 'bot'; expected one of"),
        ([{"role": ["user"], "content": "a"}], "the role of message 1 is ['user']"),
        ([user(b"abc")], "the content of message 1 is b'abc'; expected a string"),
        ([user("a"), assistant("b")], "the last message is the assistant's"),
        ([user("a\udc00")], "half of a surrogate pair"),
        ([user("")], "the prompt is empty"),
    ],
)
def test_messages_that_are_none(gpt, messages, complaint):
    for call in (gpt.chat, gpt.stream_chat):
        with pytest.raises(UsageError) as caught:
            call(messages)
        assert complaint in str(caught.value) and "\n" not in str(caught.value)


def test_other_mistakes(gpt, text):
    with pytest.raises(UsageError, match="unknown option 'temprature'; did you mean"):
        gpt.chat([user("a")], temprature=1)
    with pytest.raises(UsageError, match="temperature is -1"):
        gpt.stream_chat([user("a")], temperature=-1)
    silent = serving.load(text, device="cpu")
    assert "chat" not in silent.calls
    for call in (silent.chat, silent.stream_chat):
        with pytest.raises(UsageError, match="no chat template"):
            call([user("a")])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"assets": {"tokenizer": "tokenizer.json"}}, "a chat template or processing.chat, and"),
        ({"processing": {"vocabulary_size": SIZE, "context": CONTEXT}}, "and not both"),
        ({"processing": {"vocabulary_size": SIZE, "context": CONTEXT, "chat": {"": "a"}}}, "chat"),
        (
            {"processing": {"vocabulary_size": SIZE, "context": CONTEXT, "end_tokens": [999]}},
            "has no token 999",
        ),
    ],
)
def test_bundles_that_do_not_hold_together(tmp_path, changes, complaint):
    directory = tiny_text_bundle.write_chat_bundle(tmp_path / "own")
    reseal(directory, **changes)
    with pytest.raises(BundleError, match=complaint):
        serving.load(directory, device="cpu")
    assert not all(check.passed for check in verify(directory))


def test_a_template_that_is_no_text(tmp_path):
    directory = tiny_text_bundle.write_chat_bundle(tmp_path / "own")
    (directory / "chat_template.jinja").write_bytes(b"\xff")
    reseal(directory)
    with pytest.raises(BundleError, match="is not UTF-8"):
        serving.load(directory, device="cpu")


# --- a graph that has room for more tokens than the tokenizer knows ---


def test_ids_of_no_token_are_never_drawn(tmp_path):
    directory = tiny_text_bundle.write_bundle(tmp_path / "padded")
    file = directory / "tokenizer.json"
    smaller = character_tokenizer(tiny_text_bundle.CORPUS[:-1])
    file.write_text(smaller.to_str())
    tokens = smaller.get_vocab_size()
    sizes = {"vocabulary_size": SIZE, "context": CONTEXT}
    reseal(directory, processing=sizes)
    with pytest.raises(BundleError, match=f"has {tokens} tokens and the model {SIZE}"):
        serving.load(directory, device="cpu")
    reseal(directory, processing=sizes | {"tokens": tokens})
    model = serving.load(directory, device="cpu")
    unending = {"temperature": 100.0, "logit_bias": {model.tokenizer.eos: -1e4}}
    written = model.complete(["abc", "d"], 100, seed=[1, 2], **unending)
    drawn = {number for text in written for number in text.ids}
    assert max(drawn) == tokens - 1 and len(drawn) > tokens // 2
    ids = np.array([[3, 4]])
    logits, _ = model.step(ids, np.ones_like(ids), np.arange(2)[None], None)
    assert logits.shape == (1, 2, tokens)
    with pytest.raises(UsageError, match=f"expected 0 to {tokens - 1}"):
        model.generate("a", 1, logit_bias={tokens: 1})


def test_nor_by_a_graph_that_keeps_its_cache(tmp_path, monkeypatch):
    """Of a real model, whose last letter its tokenizer forgot; and it reads no turn twice."""
    directory = shutil.copytree(NANO, tmp_path / "nano")
    manifest = json.loads((directory / "bundle.json").read_text())
    document = json.loads((directory / "tokenizer.json").read_text())
    vocabulary = document["model"]["vocab"]
    size = len(vocabulary)
    del vocabulary[max(vocabulary, key=vocabulary.get)]
    (directory / "tokenizer.json").write_text(json.dumps(document))
    (directory / "chat_template.jinja").write_text("{{ messages|map(attribute='content')|join }}")
    manifest["processing"] |= {"tokens": size - 1, "chat": {}}
    manifest["assets"] |= {"chat_template": "chat_template.jinja"}
    manifest["variants"] = {"fused": manifest["variants"]["fused"]}
    reseal(directory, **{key: manifest[key] for key in ("processing", "assets", "variants")})
    model = serving.load(directory, device="cpu", variant="fused")
    [written] = model.complete("ROMEO:", 200, temperature=50.0, seed=1)
    assert max(written.ids) < size - 1
    read, inner = [], SharedMemory._read_chunk

    def counting(self, texts, *rest, **named):
        read.append(sum(map(len, texts)))
        return inner(self, texts, *rest, **named)

    monkeypatch.setattr(SharedMemory, "_read_chunk", counting)
    said = [user("Who is there? I hear a noise.")]
    answer = model.chat(said, max_new_tokens=9, seed=1)
    said += [assistant(answer), user(" Speak!")]
    assert model.chat(said, max_new_tokens=5, seed=2) and read[0] == len(said[0]["content"])
    assert read[1:] == [len(answer) + len(" Speak!")]
