"""Brings files of a model into the cache, each whole and with the pinned bytes or not at all."""

import hashlib
import os
import shutil
import stat
from collections.abc import Collection, Iterable
from pathlib import Path

from serving.bundle.records import Pin
from serving.catalogue import Entry
from serving.errors import GenzooError
from serving.hub import cache
from serving.hub.http import TransferError
from serving.hub.local import shown
from serving.hub.mirrors import is_remote, offline
from serving.hub.places import AbsentError, bring


class UnavailableError(GenzooError):
    """No place gives a file of a model."""

    def __init__(self, file: str, name: str, failures: list[tuple[str, TransferError]]) -> None:
        self.file, self._failures = file, failures
        why = self.reasons() or "no mirror is known"
        super().__init__(f"{file} of {name} could not be downloaded ({why}); try again later")

    def reasons(self, own: Collection[str] = ()) -> str:
        """Say why not; of the folders in `own` it says nothing when they just lack the file."""
        return "; ".join(
            [
                *["GENZOO_OFFLINE is set"] * offline(),
                *(
                    f"{shown(place)}: {error}"
                    for place, error in self._failures
                    if not (place in own and isinstance(error, AbsentError))
                ),
            ]
        )


def download(
    name: str, entry: Entry, files: Iterable[str], places: list[str], *, hashed: bool = False
) -> Path:
    """Make sure that files of a model are in the cache, and return their folder.

    Without anything missing no place is contacted. Many processes may call this at once: one
    downloads and the others wait for it. What was killed goes on where it was.

    Args:
        name: the model's name.
        entry: pins its files.
        files: the names of those that are wanted.
        places: where `NAME/FILE` may be; tried in this order for each file.
        hashed: look at the bytes of what is there already, not at the sizes alone.

    Raises:
        UnavailableError: no place gives a file as it is pinned.
        GenzooError: the cache cannot be written.
    """
    directory, files = cache.folder(name, entry), list(files)
    if not cache.missing(directory, entry, files, hashed=hashed):
        return directory
    allowed = [place for place in places if not (offline() and is_remote(place))]
    try:
        with cache.locked(directory), cache.remembered(directory, entry):
            missing = cache.missing(directory, entry, files, hashed=hashed)
            _check_space(directory, sum(entry.files[file].bytes for file in missing))
            for file in missing:
                _obtain(name, file, entry.files[file], directory, allowed)
    except OSError as error:
        raise GenzooError(
            f"the cache {shown(directory)} cannot be written ({error.strerror or error}); "
            "free some space, or set GENZOO_HOME to another folder"
        ) from error
    return directory


def _check_space(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise GenzooError(
            f"{needed} bytes are missing and {shown(directory)} has room for {free}; "
            "free some space, or set GENZOO_HOME to another folder"
        )


def _obtain(name: str, file: str, pin: Pin, directory: Path, places: list[str]) -> None:
    """Get one file from the first place that has it."""
    failures = []
    for place in places:
        part = directory / f".{file}.part"
        try:
            _fill(place, f"{name}/{file}", part, pin)
        except TransferError as error:
            failures.append((place, error))
        else:
            cache.share(part)
            part.replace(directory / file)
            return
    raise UnavailableError(file, name, failures)


def _fill(place: str, path: str, part: Path, pin: Pin) -> None:
    """Complete a partial file with the bytes of a place; it is deleted if they are wrong."""
    resumed = _have(part, pin) > 0
    bring(place, path, part, pin.bytes)
    if resumed and not _is_pinned(part, pin):
        part.unlink()  # the beginning may have been another place's fault
        bring(place, path, part, pin.bytes)
    if not _is_pinned(part, pin):
        part.unlink()
        raise TransferError("its file has other bytes than those that are pinned")


def _have(part: Path, pin: Pin) -> int:
    """Return how much of a file is here, once what cannot be its beginning is out of the way."""
    try:
        status = part.lstat()
    except FileNotFoundError:
        return 0
    # Through a link one would write into some other file; into another user's perhaps not at all.
    own = stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and os.access(part, os.W_OK)
    if own and status.st_size <= pin.bytes:
        return status.st_size
    part.unlink()
    return 0


def _is_pinned(part: Path, pin: Pin) -> bool:
    with part.open("rb") as file:
        os.fsync(file.fileno())  # before it gets the name that says it is whole
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return part.stat().st_size == pin.bytes and found == pin.sha256
