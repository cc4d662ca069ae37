"""Reads a bundle's files so that the bytes that were checked are the bytes that are used."""

import hashlib
import os
import stat
from pathlib import Path

from serving.bundle import MANIFEST_NAME, BundleError, FileEntry, Manifest, read_manifest
from zoo.catalogue import Pin
from zoo.hub import Source

_REMEDY = "fetch or export the bundle again"


def open_manifest(source: Source) -> Manifest:
    """Read a bundle's manifest; for a model of the catalogue it must be the pinned one.

    Raises:
        BundleError: it is missing, invalid, of another model, or not the pinned one.
    """
    if source.entry is None:
        return read_manifest(source.directory)
    pin = source.entry.files[MANIFEST_NAME]
    return Manifest.model_validate_json(read_checked(source.directory, MANIFEST_NAME, pin))


def read_listed(directory: Path, manifest: Manifest, name: str) -> bytes:
    """Read a file that the manifest lists.

    Raises:
        BundleError: it is not listed, or not what the list says.
    """
    if name not in manifest.files:
        raise BundleError(f"{directory} uses {name}, which its manifest does not list; {_REMEDY}")
    return read_checked(directory, name, manifest.files[name])


def read_checked(directory: Path, name: str, expected: FileEntry | Pin) -> bytes:
    """Read a whole file once and return its bytes if they are the expected ones.

    Raises:
        BundleError: it is missing, not a regular file, or has another size or sha256.
    """
    path = Path(directory) / name
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise BundleError(f"{path} is a link or not a regular file; {_REMEDY}")
        # Between the look and the opening the file may have been replaced by a link or a pipe.
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        with os.fdopen(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
            data = file.read(expected.bytes + 1)
    except FileNotFoundError:
        raise BundleError(f"{path} is missing; {_REMEDY}") from None
    if len(data) != expected.bytes:
        size = "more" if len(data) > expected.bytes else len(data)
        raise BundleError(f"{path} has {size} bytes, expected {expected.bytes}; {_REMEDY}")
    if hashlib.sha256(data).hexdigest() != expected.sha256:
        raise BundleError(f"{path} was altered: its sha256 is not the expected one; {_REMEDY}")
    return data
