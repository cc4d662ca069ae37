"""What was found in data: facts, and faults by their kind."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

LEFT_OUT, MENDED, KEPT = "left out", "mended", "kept"  # what `clean` does about a fault


class Fault(NamedTuple):
    """A kind of fault: what it is called, and what a cleaned copy does about it."""

    title: str
    remedy: str


FAULTS = {
    "empty": Fault("no bytes", LEFT_OUT),
    "unreadable": Fault("not readable", LEFT_OUT),
    "no_picture": Fault("no picture", LEFT_OUT),
    "damaged": Fault("cut off or damaged", LEFT_OUT),
    "too_large": Fault("too many pixels", LEFT_OUT),
    "stray": Fault("another kind of file", LEFT_OUT),
    "tiny": Fault("tiny", LEFT_OUT),
    "blank": Fault("of one colour", LEFT_OUT),
    "no_text": Fault("no text", LEFT_OUT),
    "encoding": Fault("unknown encoding", LEFT_OUT),
    "refused": Fault("refused music", LEFT_OUT),
    "two_classes": Fault("in two classes", LEFT_OUT),
    "across_splits": Fault("in two splits", LEFT_OUT),
    "duplicate": Fault("duplicate", LEFT_OUT),
    "near_duplicate": Fault("near duplicate", LEFT_OUT),
    "wrong_suffix": Fault("wrong suffix", MENDED),
    "same_name": Fault("name differs by case", MENDED),
    "other_format": Fault("unread format", MENDED),
    "turned": Fault("turned by EXIF", MENDED),
    "cmyk": Fault("CMYK", MENDED),
    "deep": Fault("more than 8 bits", KEPT),
    "transparent": Fault("transparent", KEPT),
    "animated": Fault("animated", KEPT),
    "narrow": Fault("narrow", KEPT),
    "profile": Fault("colour profile", KEPT),
    "whereabouts": Fault("says where it was", KEPT),
    "bulky": Fault("much metadata", KEPT),
    "odd_name": Fault("odd name", KEPT),
    "odd_characters": Fault("odd characters", KEPT),
    "repeated_lines": Fault("repeated lines", KEPT),
    "rare_class": Fault("rare class", KEPT),
    "missing_class": Fault("missing class", KEPT),
}


class Finding(NamedTuple):
    """One case of a fault.

    Attributes:
        fault: a key of `FAULTS`.
        files: that it concerns, paths below the folder with forward slashes, or examples of a data
            set, as `train[17]`; of duplicates the first is the one to keep.
        words: what was found, as a person would say it.
        dropped: those of the files that a cleaned copy is without.
    """

    fault: str
    files: tuple[str, ...]
    words: str
    dropped: tuple[str, ...] = ()

    @classmethod
    def of(cls, fault: str, file: str, words: str) -> "Finding":
        """Return a finding about one file."""
        return cls(fault, (file,), words, (file,) if FAULTS[fault].remedy == LEFT_OUT else ())


Samples = Callable[[Iterable[str]], Mapping[str, "np.ndarray | str"]]


@dataclass(frozen=True)
class Report:
    """What data hold.

    Attributes:
        name: of the data, as it was given.
        kind: "images", "text" or "notes", as `zoo.data.SourceInfo` has it.
        count: files or examples that were looked at, those that are broken included.
        facts: by title, numbers, counts by name, or lists of numbers.
        findings: the faults, those of one kind together, in the order of `FAULTS`.
        items: names of all that could be read, for a choice of samples.
        samples: returns, by name, pictures `(H, W, 3)` uint8 or excerpts of text.
    """

    name: str
    kind: str
    count: int
    facts: Mapping[str, Any]
    findings: tuple[Finding, ...]
    items: tuple[str, ...]
    samples: Samples = field(repr=False, compare=False)

    def by_fault(self) -> dict[str, list[Finding]]:
        """Return the findings of each fault that there is."""
        found = {name: [each for each in self.findings if each.fault == name] for name in FAULTS}
        return {name: findings for name, findings in found.items() if findings}

    def left_out(self) -> dict[str, str]:
        """Return why a cleaned copy is without a file, for each that it is without."""
        reasons: dict[str, str] = {}
        for finding in self.findings:
            for file in finding.dropped:
                reason = f"{article(FAULTS[finding.fault].title)}: {finding.words}"
                reasons.setdefault(file, reason)
        return dict(sorted(reasons.items()))

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON has it."""
        faults = {
            name: {
                "title": FAULTS[name].title,
                "remedy": FAULTS[name].remedy,
                "findings": [{"files": list(each.files), "words": each.words} for each in findings],
            }
            for name, findings in self.by_fault().items()
        }
        about = {"name": self.name, "kind": self.kind, "count": self.count}
        return {**about, "facts": dict(self.facts), "faults": faults, "left_out": self.left_out()}


def article(title: str) -> str:
    """Return what a fault is called, after a dash in a sentence.

    Example:
        >>> article("duplicate"), article("no bytes")
        ('a duplicate', 'no bytes')
    """
    return f"a {title}" if title in ("duplicate", "near duplicate") else title


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings in the order of `FAULTS`, and of the names of their files."""
    rank = {name: place for place, name in enumerate(FAULTS)}
    return tuple(sorted(findings, key=lambda each: (rank[each.fault], each.files)))
