"""The text pipeline: what is trained on, what is held out, the same batches for the same seed."""

import codecs
import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import UsageError
from zoo.data import corpus, sources
from zoo.data.text import PARTS, Text, TextConfig, windows
from zoo.data.tokenizers import EOS

FEW = settings(max_examples=60, deadline=None)
HAS_SHAKESPEARE = "tiny_shakespeare" in sources.offline_names()


@pytest.fixture(scope="module")
def topics() -> Text:
    return Text(TextConfig(name="python_topics", limit=5000), context=16)


@pytest.fixture
def book(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_text("It was a dark night. " * 50)
    return TextConfig(name="book.txt")


def batches(text: Text, count: int, seed: int = 0, start: int = 0) -> list[np.ndarray]:
    data = text.training_batches(4, seed, start)
    return [np.stack(pair) for pair in data.take(count).as_numpy_iterator()]


@pytest.mark.skipif(not HAS_SHAKESPEARE, reason="tiny_shakespeare is not on disk")
def test_tiny_shakespeare_is_cut_where_nanogpt_cuts_it():
    text = Text(TextConfig(name="tiny_shakespeare"), context=256, vocabulary_size=68)
    assert text.characters == {"train": 981_546, "validation": 22_308, "test": 111_540}
    whole = text.tokenizer.decode(np.concatenate([text.tokens(part) for part in PARTS]))
    assert whole.startswith("First Citizen:\nBefore we proceed")
    digest = hashlib.sha256(whole.encode()).hexdigest()
    assert digest.startswith("86c4e6aa9db7c042")  # of the file that nanoGPT downloads
    assert text.source.name == "tiny_shakespeare" and text.source.license
    weights = [batch[2] for batch in text.validation_batches(64).as_numpy_iterator()]
    assert np.concatenate(weights).sum() == 22_307


def test_validation_may_be_the_beginning_and_leave_what_precedes_the_test_part_to_training(book):
    early = Text(book.model_copy(update={"validation_at": "beginning"}), context=16)
    late = Text(book, context=16)
    assert early.characters == late.characters
    np.testing.assert_array_equal(early.tokens("test"), late.tokens("test"))
    whole = [
        early.tokenizer.decode(np.concatenate([text.tokens(part) for part in parts]))
        for text, parts in ((early, ("validation", "train", "test")), (late, PARTS))
    ]
    assert whole[0] == whole[1] == "It was a dark night. " * 50


def test_a_block_is_a_piece_of_the_training_part_and_its_targets_come_one_later(topics):
    train = topics.tokens("train")
    pieces = {train[i : i + 17].tobytes() for i in range(len(train) - 16)}
    for inputs, targets in batches(topics, 20):
        assert inputs.shape == targets.shape == (4, 16) and inputs.dtype == np.int32
        for row in np.concatenate([inputs, targets[:, -1:]], axis=1):
            assert row.tobytes() in pieces


def test_blocks_begin_everywhere(book):
    text = Text(book.model_copy(update={"limit": 40, "validation": 0.225}), context=20)
    assert len(text.tokens("train")) == 27
    firsts = {row.tobytes() for inputs, _ in batches(text, 60) for row in inputs}
    assert len(firsts) == 7


@given(start=st.integers(0, 50), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=8, deadline=None)
def test_a_run_that_begins_later_gets_the_same_batches(topics, start, seed):
    whole, later = batches(topics, start + 2, seed), batches(topics, 2, seed, start)
    np.testing.assert_array_equal(later, whole[start:])


def test_seeds_differ(topics):
    assert np.any(batches(topics, 1, seed=1)[0] != batches(topics, 1, seed=2)[0])


@FEW
@given(st.integers(2, 60), st.integers(1, 12), st.integers(1, 12))
def test_stride_evaluation_predicts_every_token_but_the_first_once(length, context, stride):
    stride = min(stride, context)
    tokens = np.arange(100, 100 + length)
    inputs, targets, weights = windows(tokens, context, stride)
    assert inputs.shape == targets.shape == weights.shape and inputs.shape[1] == context
    counted = targets[weights == 1]
    np.testing.assert_array_equal(np.sort(counted), tokens[1:])
    assert np.all(inputs[weights == 1] == counted - 1)
    seen = np.broadcast_to(np.arange(1, context + 1), weights.shape)[1:]
    assert np.all(seen[weights[1:] == 1] > context - stride)


@pytest.mark.parametrize("stride", [0, 13, -1])
def test_a_stride_that_would_leave_tokens_out(stride):
    with pytest.raises(UsageError, match="expected 1 to 12"):
        windows(np.arange(30), 12, stride)


def test_parts_follow_each_other(topics):
    for part, count in zip(PARTS, (4400, 100, 500), strict=True):
        assert len(topics.tokens(part)) == topics.characters[part] == count
    assert topics.steps_per_epoch(4) == 69
    validation = topics.tokens("validation")
    inputs = next(iter(topics.validation_batches(3, stride=8)))[0]
    np.testing.assert_array_equal(inputs[1], validation[8:24])


def test_bpe_learns_from_the_training_part():
    config = TextConfig(name="python_topics", limit=5000, tokenizer="bpe", vocabulary_size=300)
    text = Text(config, 16, vocabulary_size=300)
    assert len(text.tokens("train")) < 0.8 * text.characters["train"] == 0.8 * 4400
    assert text.source.license == "PSF-2.0"


def test_a_folder_is_read_in_order_and_its_documents_are_kept_apart(tmp_path):
    for name, words in (("b.txt", "beta"), ("a.txt", "alpha\r\n"), ("sub/c.txt", "\ufeffgamma")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(words.encode())
    (tmp_path / "other.md").write_text("not this")
    text = Text(TextConfig(name=str(tmp_path), validation=0.2, test=0.15), context=4)
    ids = np.concatenate([text.tokens(part) for part in PARTS])
    assert np.sum(ids == EOS) == 2
    assert text.tokenizer.decode(ids) == "alpha\nbetagamma"
    assert text.source.version.startswith("sha256:") and text.source.kind == "text"


def test_only_files_of_text_count_whatever_their_suffix_looks_like(tmp_path):
    kept = {"B.TXT": "b", "a.TXT": "a", "a.txt": "A", "old.txt/z.txt": "z"}
    others = ("._a.txt", ".hidden.txt", ".ipynb_checkpoints/a.txt", "notes.md", "sub/.git/a.txt")
    for name, words in (kept | dict.fromkeys(others, "wrong")).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(words)
    assert corpus.read(str(tmp_path))[0] == ["b", "a", "A", "z"]
    assert corpus.read(str(tmp_path / "old.txt"))[0] == ["z"]


def test_a_folder_called_as_a_file_and_a_file_in_capitals(book, tmp_path, monkeypatch):
    (tmp_path / "books.txt").mkdir()
    (tmp_path / "books.txt" / "a.txt").write_text("one")
    (tmp_path / "BOOK.TXT").write_text("two")
    assert corpus.read("books.txt")[0] == ["one"]
    assert corpus.read("BOOK.TXT")[0] == ["two"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_how_text_is_written(book, tmp_path, encoding):
    (tmp_path / "book.txt").write_bytes("naïve\r\n日本".encode(encoding))
    assert corpus.read("book.txt")[0] == ["naïve\n日本"]


def test_utf_16_of_either_order_with_a_mark(book, tmp_path):
    for order, mark in (("le", codecs.BOM_UTF16_LE), ("be", codecs.BOM_UTF16_BE)):
        (tmp_path / "book.txt").write_bytes(mark + "abc".encode(f"utf-16-{order}"))
        assert corpus.read("book.txt")[0] == ["abc"]


def test_own_text_of_other_content_is_another_source(book, tmp_path):
    before = Text(book, context=8).source
    (tmp_path / "book.txt").write_text("something else " * 30)
    after = Text(book, context=8).source
    assert before.name == after.name == "book.txt" and before.version != after.version


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'book.txt' holds no text"),
        (b"caf\xe9 au lait" * 9, r"book.txt is not UTF-8: byte 0xe9 at position 3; save it"),
        (
            "plain".encode("utf-16-le"),
            "book.txt is no text: it has a NUL at character 1, as UTF-16",
        ),
        ("日本".encode("utf-16-be"), "book.txt is not UTF-8"),
        (
            codecs.BOM_UTF16_LE + b"odd",
            "book.txt is not UTF-16, as its mark says: byte 0x64 at pos",
        ),
        (b"too short", "train part of 'book.txt' has 7 tokens; expected at least 13 for a context"),
        (b"abcdefghijklmnopq", "validation part of 'book.txt' has 1 tokens; expected at least 2"),
        (None, "there is no file or folder book.txt"),
    ],
)
def test_a_file_that_will_not_do(book, tmp_path, content, message):
    path = tmp_path / "book.txt"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    config = book.model_copy(update={"validation": 0.06, "test": 0.12})
    with pytest.raises(UsageError, match=message) as caught:
        Text(config, context=12)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "./empty"}, "holds no .txt file"),
        ({"name": "digits"}, "holds images; expected text"),
        ({"name": "tiny_shakespear"}, "did you mean 'tiny_shakespeare'"),
        ({"tokenizer": "bpe"}, "vocabulary_size goes with tokenizer 'bpe'"),
        ({"vocabulary_size": 300}, "vocabulary_size goes with tokenizer 'bpe'"),
        ({"tokenizer": "bpe", "vocabulary_size": 200}, "greater than or equal to 259"),
        ({"validation": 1.0}, "key 'validation' is 1.0"),
        ({"validation": 0.5, "test": 0.5}, "leave nothing to train on"),
    ],
)
def test_bad_configurations(book, tmp_path, changes, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=message):
        Text(TextConfig.parse(book.model_dump() | changes, "data"), context=12)


def test_a_model_of_another_vocabulary(book):
    with pytest.raises(UsageError, match=r"has 17 tokens and the model takes 65; set model\."):
        Text(book, 12, vocabulary_size=65)
