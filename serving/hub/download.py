"""Brings files of a model into the cache, each whole and with the pinned bytes or not at all."""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from serving.bundle.records import Pin
from serving.catalogue import Entry
from serving.errors import GenzooError
from serving.hub import cache
from serving.hub.http import TransferError
from serving.hub.places import bring, is_remote, offline


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
        GenzooError: no place gives a file as it is pinned, or the cache cannot be written.
    """
    directory, files = cache.folder(name, entry), list(files)
    if not cache.missing(directory, entry, files, hashed=hashed):
        return directory
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with cache.locked(directory):
            cache.remember(directory, entry)
            missing = cache.missing(directory, entry, files, hashed=hashed)
            _check_space(directory, sum(entry.files[file].bytes for file in missing))
            for file in missing:
                _obtain(name, file, entry.files[file], directory, _allowed(name, file, places))
    except OSError as error:
        raise GenzooError(
            f"the cache {directory} cannot be written ({error.strerror or error}); "
            "free some space, or set GENZOO_HOME to another folder"
        ) from error
    return directory


def _check_space(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise GenzooError(
            f"{needed} bytes are missing and {directory} has room for {free}; "
            "free some space, or set GENZOO_HOME to another folder"
        )


def _allowed(name: str, file: str, places: list[str]) -> list[str]:
    """Return the places that may be asked now."""
    if not places:
        raise GenzooError(
            f"{file} of {name} is neither in this installation nor in its cache, and no mirror is "
            "known; reinstall genzoo, or set GENZOO_MIRROR to where the files are"
        )
    allowed = [place for place in places if not (offline() and is_remote(place))]
    if not allowed:
        raise GenzooError(
            f"{file} of {name} is not in the cache and GENZOO_OFFLINE is set; unset it, or set "
            "GENZOO_MIRROR to a folder that has the files"
        )
    return allowed


def _obtain(name: str, file: str, pin: Pin, directory: Path, places: list[str]) -> None:
    """Get one file from the first place that has it."""
    failures = []
    for place in places:
        part = directory / f".{file}.part"
        try:
            _fill(place, f"{name}/{file}", part, pin)
        except TransferError as error:
            failures.append(f"{place}: {error}")
        else:
            part.replace(directory / file)
            return
    raise GenzooError(
        f"{file} of {name} could not be downloaded ({'; '.join(failures)}); try again later, or "
        "set GENZOO_MIRROR to another place that has the files"
    )


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
    # Through a link one would write into some other file.
    if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_size <= pin.bytes:
        return status.st_size
    part.unlink()
    return 0


def _is_pinned(part: Path, pin: Pin) -> bool:
    with part.open("rb") as file:
        os.fsync(file.fileno())  # before it gets the name that says it is whole
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return part.stat().st_size == pin.bytes and found == pin.sha256
