"""Files of the user's own: what a name points to, and which files of a folder count."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.errors import UsageError

SPLITS = ("train", "test", "validation")
_LIKE_SPLITS = {*SPLITS, "val", "valid"}


def own_path(name: str, suffix: str | None = None) -> Path | None:
    """Return the path that the name of a data set stands for, None where it names a public one.

    Args:
        name: as `folder:photos`, `./photos`, `/data/photos` or `~/photos`.
        suffix: what marks a path too, in small letters.

    Example:
        >>> own_path("folder:photos").name, own_path("book.TXT", ".txt").name, own_path("mnist")
        ('photos', 'book.TXT', None)
    """
    if name.startswith("folder:"):
        return Path(name.removeprefix("folder:")).expanduser()
    like_path = name.startswith(("./", "../", ".\\", "..\\", "~")) or name in (".", "..")
    path = Path(name).expanduser()
    is_path = like_path or path.is_absolute() or (suffix and path.suffix.lower() == suffix)
    return path if is_path else None


def listed(root: Path, suffixes: tuple[str, ...]) -> list[str]:
    """Return the files below a folder, as paths below it with forward slashes, in a fixed order.

    Hidden files and folders are left out, `._a.txt` of macOS and `.ipynb_checkpoints` among them,
    and so is what is no file: pipes and devices. Linked folders are not entered.

    Args:
        root: the folder.
        suffixes: of the files that count, in small letters; in capitals they count as well.

    Raises:
        UsageError: a folder cannot be read.
    """
    return sorted(path.relative_to(root).as_posix() for path in _walk(root, suffixes))


def is_parted(files: Iterable[str]) -> bool:
    """Say whether the first folders of paths part them into splits, and are no classes.

    Example:
        >>> is_parted(["train/1.png", "val/2.png"]), is_parted(["train/1.png", "car/2.png"])
        (True, False)
    """
    folders = {file.partition("/")[0] for file in files if "/" in file}
    like_splits = folders & _LIKE_SPLITS
    return bool(like_splits) and (len(like_splits) > 1 or like_splits == folders)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn a failure to read a file into one line that names it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or "it is damaged"
        raise UsageError(f"{path} cannot be read: {reason}; replace it or take it away") from None


def _walk(root: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise UsageError(f"folder {error.filename} cannot be read: {error.strerror}")

    for folder, inner, files in os.walk(root, onerror=refuse):
        inner[:] = [name for name in inner if not name.startswith(".")]
        for name in files:
            path = Path(folder, name)
            if name.lower().endswith(suffixes) and not name.startswith(".") and _may_be_read(path):
                yield path


def _may_be_read(path: Path) -> bool:
    """Tell a file from what a reader would wait for; a broken link is read, and then named."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True
