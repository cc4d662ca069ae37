"""Where things lie in a folder: their split and their class, and what is wrong with their names."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

from zoo.data.files import is_parted
from zoo.inspection.report import Finding

RARE = 0.1  # of what the median class has; a class with less is rare
# Of the copies of one thing that is kept which is measured by; then what is trained on.
_KEPT_FIRST = {"test": 0, "validation": 1, "valid": 1, "val": 1}


class Item(NamedTuple):
    """A file or an example: its name, and its split and class where there are some."""

    name: str
    split: str | None = None
    label: str | None = None

    @property
    def rank(self) -> int:
        """The lower, the rather it is kept of several copies."""
        return _KEPT_FIRST.get(self.split or "", 2)


def placed(files: Sequence[str]) -> list[Item]:
    """Return files with their splits and classes, as training reads them from the folders.

    Example:
        >>> placed(["test/cat/1.png", "train/cat/2.png"])[0]
        Item(name='test/cat/1.png', split='test', label='cat')
        >>> [item.label for item in placed(["cat/1.png", "2.png"])]
        ['cat', None]
    """
    parted = is_parted(files)
    found = []
    for file in files:
        split, _, inner = file.partition("/") if parted else ("", "", file)
        label, slash, _ = inner.partition("/")
        found.append(Item(file, split or None, label if slash else None))
    return found


def counts(items: Sequence[Item]) -> dict[str, Any]:
    """Return how many there are of each split and class, as far as there are some."""
    parts = {
        "splits": Counter(item.split or "none" for item in items),
        "classes": Counter(item.label or "none" for item in items),
    }
    return {
        title: dict(sorted(held.items())) for title, held in parts.items() if set(held) - {"none"}
    }


def faults_of_names(files: Iterable[str]) -> Iterator[Finding]:
    """Yield names that are one on some systems, and those that some systems cannot show."""
    alike = defaultdict(list)
    for file in files:
        if any(unicodedata.category(letter) in ("Cc", "Cs") for letter in file):
            yield Finding.of("odd_name", file, "has characters that do not print")
        elif file != "/".join(part.strip() for part in file.split("/")):
            yield Finding.of("odd_name", file, "has blanks at an end")
        alike[folded(file)].append(file)
    for same in alike.values():
        if len(same) > 1:
            others = ", ".join(same[1:])
            yield Finding("same_name", tuple(same), f"on many systems the same file as {others}")


def folded(name: str) -> str:
    r"""Return a name as systems see it that tell neither case nor ways to write an accent apart.

    Example:
        >>> folded("CAF\u00c9.png") == folded("cafe\u0301.PNG")
        True
    """
    return unicodedata.normalize("NFC", name.casefold())


def faults_of_classes(items: Sequence[Item], good: Sequence[Item]) -> Iterator[Finding]:
    """Yield classes that are rare, and those that a split does not have.

    Args:
        items: all of them.
        good: those that can be read.
    """
    names = sorted({item.label for item in items if item.label is not None})
    held = Counter(item.label for item in good)
    usual = median(held[name] for name in names) if names else 0
    splits = sorted({item.split for item in items if item.split is not None})
    for name in names:
        files = tuple(item.name for item in items if item.label == name)
        if held[name] < RARE * usual or not held[name]:
            share = f"class {name} has {held[name]:,} of {len(good):,}; the median class {usual:,g}"
            yield Finding("rare_class", files, share)
        for split in splits:
            if not any(item.split == split for item in items if item.label == name):
                yield Finding("missing_class", files, f"class {name} is not in {split}")
    alike = defaultdict(list)
    for name in names:
        alike[folded(name)].append(name)
    for same in alike.values():
        if len(same) > 1:
            files = tuple(item.name for item in items if item.label in same[1:])
            words = f"classes {' and '.join(same)} are one on many systems"
            yield Finding("odd_name", files, words)
