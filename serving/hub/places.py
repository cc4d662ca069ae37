"""Brings the files of places here: copied from folders, downloaded from anywhere else."""

import os
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, urlsplit

from serving.errors import GenzooError, UsageError, first_line
from serving.hub.http import TransferError, read, receive
from serving.hub.local import open_regular, shown
from serving.hub.mirrors import below, folder, is_local, is_remote

_CHUNK = 2**20


class AbsentError(TransferError):
    """A folder has no such file."""


def bring(place: str, path: str, part: Path, size: int) -> None:
    """Add to `part` what it lacks of the file that is at `path` of a place.

    Raises:
        TransferError: the place does not give a file of that size.
        OSError: the file cannot be written.
    """
    if is_local(place):
        _copy(folder(place) / path, part, size)
    else:
        url, headers = _address(place, path)
        receive(url, part, size, headers)


def small_file(place: str, path: str, limit: int) -> bytes:
    """Return a file of a place, which may have so many bytes.

    Raises:
        TransferError: there is none, or it is larger.
    """
    if is_remote(place):
        url, headers = _address(place, path)
        return read(url, limit, headers)
    try:
        with open_regular(folder(place) / path) as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise TransferError(str(error.strerror or error)) from error
    if len(data) > limit:
        raise TransferError(f"it is larger than {limit} bytes")
    return data


def _copy(source: Path, part: Path, size: int) -> None:
    with _opened(source, size) as file, part.open("ab") as target:
        file.seek(target.tell())
        while data := file.read(min(_CHUNK, size - target.tell())):
            target.write(data)
    if part.stat().st_size != size:
        raise TransferError("its file changed while it was copied")


def _opened(source: Path, size: int) -> BinaryIO:
    try:
        file = open_regular(source)
    except (FileNotFoundError, NotADirectoryError):
        raise AbsentError("it has no such file") from None
    except OSError as error:
        raise TransferError(str(error.strerror or error)) from error
    found = os.fstat(file.fileno()).st_size
    if found != size:
        file.close()
        raise TransferError(f"its file has {found} bytes; expected {size}")
    return file


def _address(place: str, path: str) -> tuple[str, dict[str, str]]:
    """Return the address of a file, and the headers to send along."""
    url = urlsplit(place)
    if url.scheme != "hf":
        return below(place, quote(path)), {}
    try:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]
    except ModuleNotFoundError:
        raise GenzooError(
            f"{shown(place)} needs the package huggingface_hub: pip install 'genzoo[hub]'"
        ) from None
    repository, *inner = url.path.strip("/").split("/")
    repository, _, revision = repository.partition("@")
    try:
        address = hf_hub_url(
            f"{url.netloc}/{repository}", "/".join([*inner, path]), revision=revision or None
        )
    except ValueError as error:
        raise UsageError(f"{shown(place)} names no repository ({first_line(error)})") from None
    return address, build_hf_headers(library_name="genzoo")
