"""A bundle's files, read so that the bytes that were checked are the bytes that are used."""

import hashlib
import io
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from serving.bundle.records import BundleError, Pin

REMEDY = "fetch or export the bundle again"
PIECE = 2**18  # bytes that are copied at once, while a processor remembers them


def lies_there(path: Path) -> bool:
    """Say whether there is anything at a path, be it a link that leads nowhere."""
    return os.path.lexists(path)


def read_listed(directory: Path, files: Mapping[str, Pin], name: str) -> bytes:
    """Read a file that a manifest or an index lists.

    Args:
        directory: of the bundle.
        files: what is listed.
        name: of the file.

    Raises:
        BundleError: it is not listed, or not what the list says.
    """
    return read_checked(directory, name, _listed(directory, files, name))


def read_checked(directory: Path, name: str, expected: Pin) -> bytes:
    """Read a whole file once and return its bytes if they are the expected ones.

    Raises:
        BundleError: it is missing, not a regular file, or has another size or sha256.
    """
    path = Path(directory) / name
    data = read_regular(path, expected.bytes)
    _compare(path, expected, len(data), hashlib.sha256(data))
    return data


def copy_listed(directory: Path, files: Mapping[str, Pin], name: str, target: BinaryIO) -> None:
    """Copy a file that a manifest or an index lists, a piece at a time, and compare the copy.

    Args:
        directory, files, name: as `read_listed` takes them.
        target: receives the bytes; what was written to it must not be used if this raises.

    Raises:
        BundleError: as `read_listed` does.
    """
    expected = _listed(directory, files, name)
    path, found, size = Path(directory) / name, hashlib.sha256(), 0
    room = memoryview(bytearray(PIECE))
    with _opened(path) as file:
        while read := file.readinto(room[: expected.bytes + 1 - size]):
            found.update(room[:read])
            target.write(room[:read])
            size += read
    _compare(path, expected, size, found)


def read_regular(path: Path, limit: int) -> bytes:
    """Read a file of a bundle, up to one byte more than the limit.

    A file with several names (hard links) is a regular one: installers make them, and what counts
    is that the bytes read here are the ones that are checked and used.

    Raises:
        BundleError: it is missing, a link, or not a regular file.
    """
    with _opened(path) as file:
        # Python sets memory aside for all that may be read, so a limit that lies is costly.
        return file.read(min(limit, os.fstat(file.fileno()).st_size) + 1)


def _opened(path: Path) -> io.BufferedReader:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise BundleError(f"{path} is a link or not a regular file; {REMEDY}")
        # Between the look and the opening the file may have been replaced by a link or a pipe.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        return os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb")
    except FileNotFoundError:
        raise BundleError(f"{path} is missing; {REMEDY}") from None


def _listed(directory: Path, files: Mapping[str, Pin], name: str) -> Pin:
    if name not in files:
        raise BundleError(f"{directory} uses {name}, which its manifest does not list; {REMEDY}")
    return files[name]


def _compare(path: Path, expected: Pin, size: int, found: "hashlib._Hash") -> None:
    if size != expected.bytes:
        has = "more" if size > expected.bytes else size
        raise BundleError(f"{path} has {has} bytes, expected {expected.bytes}; {REMEDY}")
    if found.hexdigest() != expected.sha256:
        raise BundleError(f"{path} was altered: its sha256 is not the expected one; {REMEDY}")


def pin_of(path: str | Path) -> Pin:
    """Return what pins the bytes of a file as they are now."""
    return Pin(sha256=sha256(path), bytes=Path(path).stat().st_size)


def sha256(path: str | Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
