"""What a set of texts holds: encodings, lengths, odd characters, and what is there twice."""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from serving.errors import UsageError
from zoo.data.corpus import SUFFIX, decoded, encoding_of
from zoo.inspection.layout import Item, counts, faults_of_classes, faults_of_names
from zoo.inspection.pictures import copied
from zoo.inspection.report import Finding, Report, in_order

EXCERPT = 400  # characters of a document in a report
LONG_LINE = 20  # characters; shorter ones, as names of speakers, may well be there twice
MOST_SHARING = 50  # documents that have a line in common; what more have says nothing of two
NEAR = 0.8  # of the lines of the shorter of two documents, which the other has too
MOST_REPEATED = 0.2  # of the lines of a document
_ODD = {
    "control characters": re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]"),
    "replacement characters, of an earlier error": re.compile("\ufffd"),
    "characters of private use": re.compile("[\ue000-\uf8ff]"),
    "invisible characters": re.compile("[\u200b\u2060\ufeff\u00ad\u202a-\u202e\u2066-\u2069]"),
    "letters that look read in a wrong encoding": re.compile("[ÃÂ][\x80-\xbf]|â€."),
}


@dataclass(frozen=True, slots=True)
class Document:
    """A text, its encoding, and what is odd about it alone; no text where it cannot be read."""

    item: Item
    text: str | None
    encoding: str = ""
    findings: tuple[Finding, ...] = ()


def inspect_folder(name: str, root: Path, items: Sequence[Item]) -> Report:
    """Read every file of a folder of texts."""
    documents = [_read(root, item) for item in items]
    return report(name, documents, faults_of_names(item.name for item in items))


def _read(root: Path, item: Item) -> Document:
    path = root / item.name
    if PurePosixPath(item.name).suffix.lower() != SUFFIX:
        kind = PurePosixPath(item.name).suffix.lower() or "a file without suffix"
        return _bad(item, "stray", f"{kind}, among texts")
    try:
        data = path.read_bytes()
    except OSError as error:
        return _bad(item, "unreadable", error.strerror or "cannot be read")
    if not data:
        return _bad(item, "empty", "the file has a length of 0")
    try:
        return look_at(item, decoded(path), encoding_of(data).removesuffix("-sig").upper())
    except UsageError as error:
        return _bad(item, "encoding", str(error).removeprefix(f"{path} "))


def _bad(item: Item, fault: str, words: str) -> Document:
    return Document(item, None, findings=(Finding.of(fault, item.name, words),))


def look_at(item: Item, text: str, encoding: str) -> Document:
    """Look at one text."""
    if not text.strip():
        return _bad(item, "no_text", "nothing but blanks")
    findings = []
    for called, odd in _ODD.items():
        if found := odd.findall(text):
            first = odd.search(text)
            place = first.start() if first else 0
            words = f"{called}: {len(found):,}, the first at character {place:,}"
            findings.append(Finding.of("odd_characters", item.name, words))
    lines = _lines(text, LONG_LINE)
    repeated = len(lines) - len(set(lines))
    if repeated > MOST_REPEATED * len(lines):
        words = f"{repeated:,} of {len(lines):,} lines were there before"
        findings.append(Finding.of("repeated_lines", item.name, words))
    return Document(item, text, encoding, tuple(findings))


def _lines(text: str, least: int) -> list[int]:
    """Return the hashes of lines of so many characters or more, their case and blanks alike."""
    lines = (" ".join(line.casefold().split()) for line in text.splitlines())
    return [hash(line) for line in lines if len(line) >= least]


def report(
    name: str, documents: Sequence[Document], names: Iterator[Finding] | tuple = ()
) -> Report:
    """Return what is to be said of all documents.

    Raises:
        UsageError: not one is text.
    """
    readable = [each for each in documents if each.text is not None]
    if not readable:
        first = next((each.findings[0] for each in documents), None)
        hint = f"; {first.files[0]}: {first.words}" if first else ""
        raise UsageError(f"{name} has no text that can be read, of {len(documents)}{hint}")
    items = [each.item for each in documents]
    lines = {each.item: _lines(each.text or "", LONG_LINE) for each in readable}
    findings = [
        *(finding for each in documents for finding in each.findings),
        *names,
        *_copies(readable),
        *faults_of_classes(items, [each.item for each in readable]),
    ]
    texts = {each.item.name: each.text or "" for each in readable}

    def samples(names: Iterable[str]) -> dict[str, str]:
        return {each: texts[each][:EXCERPT] for each in names if each in texts}

    facts = counts(list(lines)) | _facts(readable, lines)
    return Report(name, "text", len(documents), facts, in_order(findings), tuple(texts), samples)


def _facts(documents: Sequence[Document], lines: dict[Item, list[int]]) -> dict[str, Any]:
    texts = [each.text or "" for each in documents]
    lengths = np.array([len(text) for text in texts])
    letters: Counter[str] = Counter()
    for text in texts:
        letters.update(text)
    kinds: Counter[str] = Counter()
    for letter, count in letters.items():
        kinds[_KINDS[unicodedata.category(letter)[0]]] += count
    every = [line for held in lines.values() for line in held]
    facts: dict[str, Any] = {
        "encodings": dict(Counter(each.encoding for each in documents).most_common()),
        "characters": int(lengths.sum()),
        "words": sum(len(text.split()) for text in texts),
        "lines": sum(len(text.splitlines()) for text in texts),
        "length": {
            "least": int(lengths.min()),
            "median": float(np.median(lengths)),
            "most": int(lengths.max()),
        },
        "longest_line": max(max(map(len, text.splitlines()), default=0) for text in texts),
        "different_characters": len(letters),
        "kinds_of_characters": dict(kinds.most_common()),
        "repeated_lines": round(1 - len(set(every)) / len(every), 4) if every else 0.0,
    }
    return facts | _shared(lines)


_KINDS = {
    "L": "letters",
    "M": "marks",
    "N": "digits",
    "P": "punctuation",
    "S": "symbols",
    "Z": "blanks",
    "C": "others and ends of lines",
}


def _shared(lines: dict[Item, list[int]]) -> dict[str, Any]:
    """Return which part of the lines of each split is in `train` too."""
    splits: dict[str, list[int]] = defaultdict(list)
    for item, held in lines.items():
        if item.split is not None:
            splits[item.split] += held
    trained = set(splits.pop("train", []))
    shares = {
        split: round(sum(line in trained for line in held) / len(held), 4)
        for split, held in sorted(splits.items())
        if held
    }
    return {"lines_in_train_too": shares} if trained and shares else {}


def _copies(documents: Sequence[Document]) -> Iterator[Finding]:
    """Yield documents that are there twice: first word for word, then in most of their lines."""
    order = sorted(documents, key=lambda each: (each.item.rank, -len(each.text or ""), each.item))
    same = defaultdict(list)
    for each in order:
        words = " ".join((each.text or "").casefold().split())
        same[hashlib.sha256(words.encode("utf-8", "surrogatepass")).digest()].append(each.item)
    for items in same.values():
        if len(items) > 1:
            yield copied("duplicate", items, f"the same words as {items[0].name}")
    texts = {each.item: each.text or "" for each in order}
    different = [items[0] for items in same.values()]
    sets = [set(_lines(texts[item], 1)) for item in different]
    taken: set[int] = set()
    for first, others in sorted(_near(sets).items()):
        left = sorted(others - taken)
        if first not in taken and left:
            taken.update(left)
            items = [different[index] for index in (first, *left)]
            yield copied("near_duplicate", items, f"most lines are those of {items[0].name}")


def _near(sets: Sequence[set[int]]) -> dict[int, set[int]]:
    """Return for documents the later ones that share most lines with them."""
    holders: dict[int, list[int]] = defaultdict(list)
    for index, held in enumerate(sets):
        for line in held:
            holders[line].append(index)
    common: Counter[tuple[int, int]] = Counter()
    for indices in holders.values():
        if len(indices) <= MOST_SHARING:
            pairs = ((first, second) for first in indices for second in indices if first < second)
            common.update(pairs)
    found: dict[int, set[int]] = defaultdict(set)
    for (first, second), count in common.items():
        if count >= NEAR * min(len(sets[first]), len(sets[second])):
            found[first].add(second)
    return found
