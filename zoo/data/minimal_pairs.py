"""Pairs of sentences of which one is right, and what each pair tests: BLiMP, or such a file."""

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from serving.errors import UsageError
from zoo.data import sources
from zoo.data.files import own_path, readable

NAME = "blimp"
SUFFIXES = (".jsonl", ".jsonl.gz")
# Published with twelve phenomena, of which the files call two sets of one by another name.
_TERMS = {"s-selection": "argument_structure"}


class Pair(NamedTuple):
    """Two sentences that differ in little.

    Attributes:
        test: the set that it belongs to.
        phenomenon: what that set is about.
        good: the sentence that is right.
        bad: the one that is not.
    """

    test: str
    phenomenon: str
    good: str
    bad: str


def read(name: str, limit: int | None = None) -> list[Pair]:
    """Read pairs of sentences.

    Args:
        name: `blimp`, which TensorFlow Datasets has; or a file of JSON lines with the keys `UID`,
            `linguistics_term`, `sentence_good` and `sentence_bad`, as `pairs.jsonl` or
            `pairs.jsonl.gz`.
        limit: of each test, take the first so many.

    Raises:
        UsageError: there is no such file, or it holds something else.
        GenzooError: the data set can be neither downloaded nor read.

    Example:
        >>> line = '{"UID": "a", "linguistics_term": "b", "sentence_good": "I am.", '
        >>> _ = Path("pairs.jsonl").write_text(line + '"sentence_bad": "I is."}')
        >>> read("pairs.jsonl")
        [Pair(test='a', phenomenon='b', good='I am.', bad='I is.')]
    """
    if name != NAME and not name.lower().endswith(SUFFIXES):
        raise UsageError(
            f"there are no pairs of sentences by the name '{name:.80}'; give {NAME}, or a file in "
            f"{' or '.join(SUFFIXES)}"
        )
    pairs = _public() if name == NAME else _of_file(own_path(name) or Path(name))
    counts: Counter[str] = Counter()
    found = []
    for pair in pairs:
        counts[pair.test] += 1
        if limit is None or counts[pair.test] <= limit:
            found.append(pair)
    if not found:
        raise UsageError(f"'{name}' holds no pairs of sentences; expected one on each line")
    return found


def _public() -> Iterator[Pair]:
    import tensorflow_datasets as tfds

    for test in tfds.builder_cls(NAME).builder_configs:
        builder = sources.prepare(f"{NAME}/{test}")
        for example in builder.as_dataset(split="train").as_numpy_iterator():
            yield _pair({key: value.decode() for key, value in example.items() if key in _KEYS})


_KEYS = ("UID", "linguistics_term", "sentence_good", "sentence_bad")


def _of_file(path: Path) -> Iterator[Pair]:
    for number, line in enumerate(_lines(path), 1):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise UsageError(f"{path} is no file of JSON lines: line {number} is none") from None
        if not isinstance(found, dict) or not all(isinstance(found.get(key), str) for key in _KEYS):
            raise UsageError(f"line {number} of {path} lacks a text; expected {', '.join(_KEYS)}")
        yield _pair(found)


def _lines(path: Path) -> Iterable[str]:
    with readable(path):
        data = path.read_bytes()
    try:
        text = (gzip.decompress(data) if path.suffix.lower() == ".gz" else data).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError, gzip.zlib.error):
        raise UsageError(f"{path} is no text, or is damaged; fetch it again") from None
    return (line for line in text.splitlines() if line.strip())


def _pair(found: Mapping[str, Any]) -> Pair:
    test, term, good, bad = (found[key] for key in _KEYS)
    return Pair(test, _TERMS.get(term, term), good, bad)
