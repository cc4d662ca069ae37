"""The places a model's files come from: folders, web servers, and the Hugging Face hub."""

import ipaddress
import os
from pathlib import Path
from urllib.parse import quote, urlsplit
from urllib.request import url2pathname

from serving import catalogue
from serving.errors import GenzooError, UsageError, first_line
from serving.hub.http import TransferError, read, receive

EXPECTED = "expected a folder, file://, https://, hf://owner/repository, or http:// of this machine"
_CHUNK = 2**20


def known_places() -> list[str]:
    """Return where `NAME/FILE` of the catalogue's models may be: `GENZOO_MIRROR`, then the index.

    Raises:
        UsageError: one is of a kind that is not understood.
    """
    named = os.environ.get("GENZOO_MIRROR", "").replace(",", " ").split()
    return in_order([*named, *catalogue.index().mirrors])


def in_order(places: list[str]) -> list[str]:
    """Return places of which each is of a kind we know, those on this machine first.

    Raises:
        UsageError: one is not.
    """
    for place in places:
        url = urlsplit(place)
        known = (
            is_local(place)
            or (url.scheme == "https" and url.hostname)
            or (url.scheme == "http" and is_this_machine(url.hostname))
            or (url.scheme == "hf" and url.netloc and url.path.strip("/"))
        )
        if not known:
            raise UsageError(f"the mirror '{place}' cannot be used; {EXPECTED}")
    return sorted(dict.fromkeys(places), key=is_remote)


def is_local(place: str) -> bool:
    """Say whether a place is a folder, by its path or a `file://` address."""
    url = urlsplit(place)
    if url.scheme == "file":
        return url.netloc in ("", "localhost")
    return "://" not in place


def is_remote(place: str) -> bool:
    """Say whether a place is reached by network."""
    return not is_local(place)


def is_this_machine(host: str | None) -> bool:
    """Say whether a host is this machine, for which http is good enough."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def offline() -> bool:
    """Say whether `GENZOO_OFFLINE` forbids the network."""
    return os.environ.get("GENZOO_OFFLINE", "").lower() not in ("", "0", "false", "no")


def bring(place: str, path: str, part: Path, size: int) -> None:
    """Add to `part` what it lacks of the file that is at `path` of a place.

    Raises:
        TransferError: the place does not give a file of that size.
        OSError: the file cannot be written.
    """
    if is_local(place):
        _copy(_folder(place) / path, part, size)
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
        with (_folder(place) / path).open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise TransferError(error.strerror) from error
    if len(data) > limit:
        raise TransferError(f"it is larger than {limit} bytes")
    return data


def below(place: str, folder: str) -> str:
    """Return a place's folder as a place."""
    return f"{place.rstrip('/')}/{folder}"


def _folder(place: str) -> Path:
    url = urlsplit(place)
    return Path(url2pathname(url.path)) if url.scheme == "file" else Path(place).expanduser()


def _copy(source: Path, part: Path, size: int) -> None:
    if not source.is_file():
        raise TransferError("it has no such file")
    if source.stat().st_size != size:
        raise TransferError(f"its file has {source.stat().st_size} bytes; expected {size}")
    with part.open("ab") as target, source.open("rb") as file:
        file.seek(target.tell())
        while data := file.read(min(_CHUNK, size - target.tell())):
            target.write(data)
    if part.stat().st_size != size:
        raise TransferError("its file changed while it was copied")


def _address(place: str, path: str) -> tuple[str, dict[str, str]]:
    """Return the address of a file, and the headers to send along."""
    url = urlsplit(place)
    if url.scheme != "hf":
        return below(place, quote(path)), {}
    try:
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers
    except ModuleNotFoundError:
        raise GenzooError(
            f"{place} needs the package huggingface_hub: pip install 'genzoo[hub]'"
        ) from None
    repository, *inner = url.path.strip("/").split("/")
    repository, _, revision = repository.partition("@")
    try:
        address = hf_hub_url(
            f"{url.netloc}/{repository}", "/".join([*inner, path]), revision=revision or None
        )
    except ValueError as error:
        raise UsageError(f"{place} names no repository ({first_line(error)})") from None
    return address, build_hf_headers(library_name="genzoo")
