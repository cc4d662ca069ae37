"""A directory that appears whole or not at all: a bundle, or a release of many."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from export.errors import ExportError
from serving.bundle.adapter import ADAPTER_NAME
from serving.bundle.records import MANIFEST_NAME
from serving.errors import first_line


class Kind(NamedTuple):
    """What a directory is, in words, and the files by which an older one is known."""

    words: str
    marks: tuple[str, ...]


ADAPTER = Kind("an adapter", (ADAPTER_NAME,))
BUNDLE = Kind("a bundle", (MANIFEST_NAME,))
RELEASE = Kind("a release", ("index.json", "SHA256SUMS", "models"))


@contextmanager
def replacing_directory(out: Path, kind: Kind = BUNDLE) -> Iterator[Path]:
    """Give an empty directory to fill, which becomes `out` when the block ends without error.

    It lies beside `out`, so that it can be renamed, and is removed when the block fails. What was
    at `out` is replaced if it is of the same kind; until then it stays as it was. Through a
    symbolic link it is what the link names that is replaced.

    Raises:
        ExportError: there is something else at `out`, or the disk does not take it.
    """
    check_free(out, kind)
    place = out.resolve()
    mark = secrets.token_hex(4)
    staging, old = (place.with_name(f".{place.name}-{mark}{end}") for end in ("", "-old"))
    try:
        staging.mkdir(parents=True)
        yield staging
        if place.exists():
            place.rename(old)
        staging.rename(place)
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise ExportError(
            f"{out.absolute()} cannot be written ({reason}); it was left as it was"
        ) from error
    finally:
        if old.exists() and not place.exists():  # stopped between the two renames
            old.rename(place)
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def check_free(out: Path, kind: Kind = BUNDLE) -> None:
    """Refuse a place that holds anything but a directory of this kind, or an empty one."""
    if not out.exists() and not out.is_symlink():
        return
    known = all((out / mark).exists() for mark in kind.marks)
    if not out.is_dir() or (any(out.iterdir()) and not known):
        raise ExportError(f"{out} is there and is not {kind.words}; give another directory")
