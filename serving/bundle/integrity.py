"""Reads a bundle's files so that the bytes that were checked are the bytes that are used."""

import hashlib
from pathlib import Path

from serving.bundle.manifest import (
    MANIFEST_NAME,
    REMEDY,
    BundleError,
    FileEntry,
    Manifest,
    read_manifest,
    read_regular,
)
from serving.catalogue import Pin
from serving.hub import Source, complete


def open_manifest(source: Source) -> Manifest:
    """Read a bundle's manifest; for a model of the catalogue it must be the pinned one.

    It is downloaded first where it is not here.

    Raises:
        BundleError: it is missing, invalid, of another model, or not the pinned one.
    """
    if source.entry is None:
        return read_manifest(source.directory)
    complete(source, [MANIFEST_NAME])
    pin = source.entry.files[MANIFEST_NAME]
    return Manifest.model_validate_json(read_checked(source.directory, MANIFEST_NAME, pin))


def read_listed(directory: Path, manifest: Manifest, name: str) -> bytes:
    """Read a file that the manifest lists.

    Raises:
        BundleError: it is not listed, or not what the list says.
    """
    if name not in manifest.files:
        raise BundleError(f"{directory} uses {name}, which its manifest does not list; {REMEDY}")
    return read_checked(directory, name, manifest.files[name])


def read_checked(directory: Path, name: str, expected: FileEntry | Pin) -> bytes:
    """Read a whole file once and return its bytes if they are the expected ones.

    Raises:
        BundleError: it is missing, not a regular file, or has another size or sha256.
    """
    path = Path(directory) / name
    data = read_regular(path, expected.bytes)
    if len(data) != expected.bytes:
        size = "more" if len(data) > expected.bytes else len(data)
        raise BundleError(f"{path} has {size} bytes, expected {expected.bytes}; {REMEDY}")
    if hashlib.sha256(data).hexdigest() != expected.sha256:
        raise BundleError(f"{path} was altered: its sha256 is not the expected one; {REMEDY}")
    return data
