"""Finds out what kind of data a name stands for, and has it looked at."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

from serving.errors import UsageError, nearest
from zoo.data.files import listed, own_path
from zoo.inspection.layout import Item, placed
from zoo.inspection.report import Report

_SUFFIX = ".txt"


def inspect(name: str, *, limit: int | None = None) -> Report:
    """Look at everything that data hold.

    Args:
        name: a folder of images, of texts (`.txt`) or of music (`.mid`, `.midi`), as `./photos`; a
            `.txt` file; or a data set of TensorFlow Datasets, as `mnist`, for which TensorFlow is
            loaded. What a folder holds most of is what it is taken for.
        limit: look at only so many of each split.

    Raises:
        UsageError: there is no such data, or nothing of these kinds in it.

    Example:
        >>> Path("book.txt").write_text("It was a dark night.")
        20
        >>> inspect("book.txt").facts["characters"]
        20
    """
    if limit is not None and limit < 1:
        raise UsageError(f"the limit is {limit}; expected a whole number from 1 up")
    path = folder_of(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's, of what is reported here as a finding
        if path is None:
            from zoo.inspection.public import inspect_public

            return inspect_public(name, limit)
        return _inspect_own(name, path, limit)


def folder_of(name: str) -> Path | None:
    """Return the folder or file that a name stands for; None of a public data set.

    What lies here under that name is what is meant, as `photos` for `./photos`.
    """
    path = own_path(name, _SUFFIX)
    if path is None and name and Path(name).exists():
        return Path(name)
    return path


def _inspect_own(name: str, path: Path, limit: int | None) -> Report:
    if path.is_file():
        if path.suffix.lower() != _SUFFIX:
            raise UsageError(f"{path} is a file; expected a folder, a .txt file or a data set")
        return _kinds()[_SUFFIX](name, path.parent, [Item(path.name)])
    if not path.is_dir():
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UsageError(f"there is no {path}; give a folder of files{nearest(path.name, beside)}")
    items = _limited(placed(listed(path, ("",))), limit)
    look = _kinds()
    suffixes = Counter(Path(item.name).suffix.lower() for item in items)
    held = Counter({look[suffix]: 0 for suffix in look})
    for suffix in look:
        held[look[suffix]] += suffixes[suffix]
    (most, count), *_ = held.most_common(1)
    if not count:
        raise UsageError(
            f"{path} holds {len(items)} files and none with a suffix that is known; expected "
            f"{', '.join(look)}"
        )
    return most(name, path, items)


def _kinds() -> dict[str, Callable[[str, Path, Sequence[Item]], Report]]:
    """Return what looks at a folder, by the suffixes of its files."""
    from serving.content.music import SUFFIXES as OF_MUSIC
    from zoo.data.photographs import SUFFIXES as OF_PICTURES
    from zoo.inspection import music, pictures, texts

    return {
        **dict.fromkeys(OF_PICTURES, pictures.inspect_folder),
        _SUFFIX: texts.inspect_folder,
        **dict.fromkeys(OF_MUSIC, music.inspect_folder),
    }


def _limited(items: list[Item], limit: int | None) -> list[Item]:
    """Return so many items of each split, from everywhere in it, as classes follow one another."""
    if limit is None:
        return items
    splits: dict[str | None, list[Item]] = defaultdict(list)
    for item in items:
        splits[item.split].append(item)
    return [
        held[place * len(held) // min(limit, len(held))]
        for held in splits.values()
        for place in range(min(limit, len(held)))
    ]
