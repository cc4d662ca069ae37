"""Pairs of sentences from a file or a data set, and one line for each mistake."""

import gzip
import json
import os
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from serving.errors import UsageError
from zoo.data.minimal_pairs import Pair, read

ROWS = [
    {"UID": test, "linguistics_term": term, "sentence_good": f"{test} is {at}.",
     "sentence_bad": f"{test} are {at}.", "field": "syntax", "pairID": str(at)}
    for test, term in (("one", "binding"), ("two", "s-selection"), ("three", "ellipsis"))
    for at in range(4)
]  # fmt: skip
TEXT = "\n".join(map(json.dumps, ROWS))
BLIMP = Path(os.environ.get("TFDS_DATA_DIR", "nowhere")).parent / "text/blimp.jsonl.gz"


@pytest.mark.parametrize("name", ["pairs.jsonl", "Pairs.JSONL.gz"])
def test_a_file_of_pairs(tmp_path, monkeypatch, name):
    data = f"\ufeff{TEXT}\n\n".encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    monkeypatch.chdir(tmp_path)
    pairs = read(name)
    assert len(pairs) == 12 and pairs == read(str(tmp_path / name))
    assert pairs[0] == Pair("one", "binding", "one is 0.", "one are 0.")
    assert {pair.phenomenon for pair in pairs} == {"binding", "argument_structure", "ellipsis"}
    assert [pair.test for pair in read(name, limit=2)] == ["one"] * 2 + ["two"] * 2 + ["three"] * 2


def test_a_data_set_that_is_on_disk(home, monkeypatch):
    tfds = pytest.importorskip("tensorflow_datasets")
    builder = tfds.builder_cls("blimp")
    assert len(builder.builder_configs) == 67
    few = dict(islice(builder.builder_configs.items(), 3))  # all of them take a minute to write
    monkeypatch.setattr(builder, "builder_configs", few)
    features = tfds.features.FeaturesDict(
        {name: tfds.features.Text() for name in
         ("UID", "linguistics_term", "sentence_good", "sentence_bad", "field")}
    )  # fmt: skip
    for test in few:
        row = {key: ROWS[0][key] for key in features} | {"UID": test}
        tfds.dataset_builders.store_as_tfds_dataset(
            name="blimp", config=test, version="0.1.0", data_dir=str(home), features=features,
            split_datasets={"train": [(0, row), (1, row)]},
        )  # fmt: skip
    pairs = read("blimp", limit=1)
    assert [pair.test for pair in pairs] == [*few]
    assert pairs[0][1:] == Pair("", "binding", "one is 0.", "one are 0.")[1:]


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("blimpo", None, "no pairs of sentences by the name 'blimpo'; give blimp, or a file in"),
        ("x.jsonl", None, "x.jsonl cannot be read: No such file"),
        ("x.jsonl", b"", "'x.jsonl' holds no pairs of sentences"),
        ("x.jsonl", b"{}\n", "line 1 of x.jsonl lacks a text; expected UID"),
        ("x.jsonl", b"[]", "line 1 of x.jsonl lacks a text"),
        ("x.jsonl", TEXT.replace('"two is 1."', "3").encode(), "line 6 of x.jsonl lacks a text"),
        ("x.jsonl", TEXT.encode() + b"\n{", "x.jsonl is no file of JSON lines: line 13 is none"),
        ("x.jsonl", b"[" * 10**5, "x.jsonl is no file of JSON lines: line 1 is none"),
        ("x.jsonl", b"\xff\xfe", "x.jsonl is no text, or is damaged"),
        ("x.jsonl.gz", TEXT.encode(), "x.jsonl.gz is no text, or is damaged"),
        ("x.jsonl.gz", gzip.compress(TEXT.encode())[:-20], "x.jsonl.gz is no text, or is damaged"),
    ],
)
def test_what_is_no_file_of_pairs_is_one_line(tmp_path, monkeypatch, name, data, complaint):
    monkeypatch.chdir(tmp_path)
    if data is not None:
        Path(name).write_bytes(data)
    with pytest.raises(UsageError) as caught:
        read(name)
    assert complaint in str(caught.value) and "\n" not in str(caught.value)


def test_the_published_file():
    if not BLIMP.is_file():
        pytest.skip("text/blimp.jsonl.gz is not beside the data sets")
    pairs = read(str(BLIMP))
    assert len({pair.phenomenon for pair in pairs}) == 12
    assert {*Counter(pair.test for pair in pairs).values()} == {1000} and len(pairs) == 67_000
