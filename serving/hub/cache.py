"""The cache of downloaded models: where it is, and what is in it.

    HOME/models/NAME/PINS/FILE      the files of a bundle, whole or absent
    HOME/models/NAME/PINS/.FILE.part    what has arrived of a file
    HOME/models/NAME/PINS.json      the entry of the index that pins them
    HOME/models/NAME/PINS.lock      held by the process that downloads

PINS is a digest of the names, sizes and hashes of all files of the model. So a folder is of one
version of one publisher, and whatever index names these bytes finds them.

Whoever may write into HOME, such as a group, may add to all that is below: what is made there has
the permissions of the folder that it is made in, whatever the umask of the first to come.
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from serving.bundle.records import Pin
from serving.catalogue import Entry
from serving.errors import GenzooError
from serving.files import replacing
from serving.hub.local import expanded, open_regular, shown

RECORD_LIMIT = 2**20  # bytes; a real one is a few kilobytes


class Copy(NamedTuple):
    """A model in the cache, as a whole or in part."""

    name: str
    directory: Path
    entry: Entry

    @property
    def variants(self) -> list[str]:
        """The variants whose graphs are all here."""
        return [
            variant
            for variant, graphs in self.entry.variants.items()
            if not missing(self.directory, self.entry, graphs)
        ]

    @property
    def files(self) -> list[Path]:
        """Everything in the folder, what has arrived in part included."""
        return sorted(self.directory.iterdir()) if self.directory.is_dir() else []

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.lstat().st_size for path in self.files)


def home() -> Path:
    """Return the cache's folder: `GENZOO_HOME`, or the platform's place for caches.

    Raises:
        GenzooError: there is none, as where a user has no home folder.
    """
    if named := os.environ.get("GENZOO_HOME"):
        return expanded(named).absolute()
    import platformdirs

    try:
        found = platformdirs.user_cache_path("genzoo", appauthor=False)
        if found.is_absolute():  # older versions leave the `~` that they cannot resolve
            return found
    except RuntimeError:
        pass
    raise GenzooError("there is no place for the cache without a home folder; set GENZOO_HOME")


def is_known() -> bool:
    """Say whether the cache has a place on this machine."""
    try:
        return bool(home())
    except GenzooError:
        return False


def folder(name: str, entry: Entry) -> Path:
    """Return where the files of a model are in the cache, or would be."""
    pins = {file: [pin.sha256, pin.bytes] for file, pin in sorted(entry.files.items())}
    return home() / "models" / name / hashlib.sha256(json.dumps(pins).encode()).hexdigest()[:32]


def contains(directory: Path) -> bool:
    """Say whether a folder is one of the cache's."""
    parent = Path(directory).absolute().parent.parent
    return parent.name == "models" and is_known() and parent == home() / "models"


def missing(
    directory: Path, entry: Entry, files: Iterable[str], *, hashed: bool = False
) -> list[str]:
    """Return those files that are not here in the pinned size or, if asked, with other bytes."""
    return [name for name in files if not is_whole(directory / name, entry.files[name], hashed)]


def is_whole(path: Path, pin: Pin, hashed: bool = True) -> bool:
    """Say whether a file is a regular one of the pinned size and, if asked, sha256."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != pin.bytes:
            return False
        if not hashed:
            return True
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == pin.sha256
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return False


def share(path: Path) -> None:
    """Let everybody who may write into the folder of something in the cache write into it too."""
    if os.name != "posix":
        return
    folder = path.parent.stat()
    mode = stat.S_IMODE(folder.st_mode)
    with suppress(PermissionError):  # it is somebody else's, who shares it or does not
        os.chown(path, -1, folder.st_gid)
        path.chmod(mode if path.is_dir() else mode & 0o666 | 0o600)


def _make(directory: Path) -> None:
    """Make a folder of the cache, and those that it is in."""
    if directory.exists():
        return
    if directory == home():
        directory.mkdir(parents=True, exist_ok=True)
        return
    _make(directory.parent)
    with suppress(FileExistsError):  # another process was first
        directory.mkdir()
        share(directory)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold a model's folder for this process; the system lets go of it when the process dies."""
    from filelock import FileLock

    _make(directory.parent)
    lock = directory.with_suffix(".lock")
    with FileLock(lock):
        share(lock)
        yield


@contextmanager
def remembered(directory: Path, entry: Entry) -> Iterator[None]:
    """Give a model's folder to the block, its entry written beside it; take back an empty one."""
    record, said = directory.with_suffix(".json"), entry.model_dump_json(indent=1) + "\n"
    _make(directory)
    if _content(record) != said.encode():
        with replacing(record) as temporary:
            temporary.write_text(said, encoding="utf-8")
            share(temporary)
    try:
        yield
    finally:
        with suppress(OSError):
            if not any(directory.iterdir()):
                directory.rmdir()
                record.unlink()


def copies() -> list[Copy]:
    """Return every model in the cache, by name.

    Raises:
        GenzooError: a record of the cache was altered.
    """
    found = []
    for record in sorted((home() / "models").glob("*/*.json")):
        copy = Copy(record.parent.name, record.with_suffix(""), _entry(record))
        if folder(copy.name, copy.entry) != copy.directory:
            raise _damaged(record)
        found.append(copy)
    return found


def remove(copy: Copy) -> None:
    """Delete a model, once nobody is downloading it."""
    with locked(copy.directory):
        copy.directory.with_suffix(".json").unlink()
        shutil.rmtree(copy.directory, ignore_errors=True)


def _entry(record: Path) -> Entry:
    try:
        return Entry.model_validate_json(_content(record))
    except ValidationError:
        raise _damaged(record) from None


def _content(record: Path) -> bytes:
    """Return what a record says; nothing where there is none."""
    try:
        with open_regular(record) as file:
            return file.read(RECORD_LIMIT)
    except OSError:
        return b""


def _damaged(record: Path) -> GenzooError:
    return GenzooError(f"{shown(record)} was altered; delete it, and pull the model again")
