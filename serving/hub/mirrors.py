"""Which places hold a model's files: folders, web servers, the Hugging Face hub.

A place holds `NAME/FILE`. Those of the catalogue's models are named by `GENZOO_MIRROR`, by the file
`mirrors` in the cache's home, a line for each, and by the index that is installed. A relative one
is relative to the folder of the file that names it. Nothing here needs a network.
"""

import ipaddress
import os
import posixpath
import re
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from serving import catalogue
from serving.errors import GenzooError, UsageError
from serving.hub import cache
from serving.hub.local import expanded, open_regular, shown

EXPECTED = "expected a folder, file://, https://, hf://owner/repository, or http:// of this machine"
MIRRORS_NAME, MIRRORS_LIMIT = "mirrors", 2**20


def known_places() -> list[str]:
    """Return where `NAME/FILE` of the catalogue's models may be, those on this machine first.

    Raises:
        UsageError: one is of a kind that is not understood.
        GenzooError: the file `mirrors` cannot be read.
    """
    named = os.environ.get("GENZOO_MIRROR", "").replace(",", " ").split()
    return in_order([*named, *_listed(cache.home() / MIRRORS_NAME), *of_index()])


def of_index() -> list[str]:
    """Return the mirrors of the installed index; the folders among them are part of it.

    Example:
        >>> [Path(place).name for place in of_index()]
        ['models']
    """
    return [_beside(catalogue.INDEX, mirror) for mirror in catalogue.index().mirrors]


def of_tree(place: str, named: list[str]) -> list[str]:
    """Return the mirrors that the index of a release tree may name.

    They are folders of the tree and addresses elsewhere. A folder outside of the tree is none of
    its business, nor is this machine, unless the tree is served by it.

    Args:
        place: the root of the tree.
        named: as its index has them.

    Raises:
        UsageError: one is of a kind that is not understood.

    Example:
        >>> of_tree("https://h/zoo", ["models", "../private", "/etc", "https://g/x"])
        ['https://h/zoo/models', 'https://g/x']
    """
    inner = [below(place, mirror) for mirror in named if _is_inside(mirror)]
    outer = [
        mirror
        for mirror in named
        if is_remote(mirror) and (_is_here(place) or not _is_here(mirror))
    ]
    return in_order([*inner, *outer])


def in_order(places: list[str]) -> list[str]:
    """Return places of which each is of a kind we know, those on this machine first.

    Raises:
        UsageError: one is not.
    """
    for place in places:
        url = _split(place)
        known = (
            is_local(place)
            or (url.scheme == "https" and url.hostname)
            or (url.scheme == "http" and is_this_machine(url.hostname))
            or (url.scheme == "hf" and url.netloc and url.path.strip("/"))
        )
        if not known:
            raise _unusable(place)
    return sorted(dict.fromkeys(places), key=is_remote)


def is_local(place: str) -> bool:
    """Say whether a place is a folder, by its path or a `file://` address."""
    if "://" not in place:
        return True
    url = _split(place)
    return url.scheme == "file" and url.netloc in ("", "localhost")


def is_remote(place: str) -> bool:
    """Say whether a place is reached by network."""
    return not is_local(place)


def is_this_machine(host: str | None) -> bool:
    """Say whether a host is this machine, for which http is good enough."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def below(place: str, inner: str) -> str:
    """Return what is in a place, such as a folder, as a place."""
    path = posixpath.normpath(inner)
    return place.rstrip("/") if path == "." else f"{place.rstrip('/')}/{path}"


def folder(place: str) -> Path:
    """Return the folder that a place on this machine is.

    Raises:
        UsageError: it is in a home folder that nobody knows.
    """
    if "://" not in place:
        return expanded(place)
    from urllib.request import url2pathname  # with it come HTTP and TLS

    return Path(url2pathname(urlsplit(place).path))


def offline() -> bool:
    """Say whether `GENZOO_OFFLINE` forbids the network."""
    return os.environ.get("GENZOO_OFFLINE", "").lower() not in ("", "0", "false", "no")


def _listed(path: Path) -> list[str]:
    """Return the places that a file names, one a line; what begins with `#` is a comment."""
    try:
        with open_regular(path) as file:
            text = file.read(MIRRORS_LIMIT).decode("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise GenzooError(
            f"{shown(path)} cannot be read ({reason}); write a mirror on each of its lines"
        ) from None
    lines = [line.strip() for line in text.splitlines()]
    return [_beside(path, line) for line in lines if line and not line.startswith("#")]


def _beside(path: Path, place: str) -> str:
    """Return a place as it is meant by the file that names it."""
    if "://" in place or place.startswith("~"):
        return place
    return os.path.normpath(path.parent / place)


def _is_inside(mirror: str) -> bool:
    """Say whether a mirror is relative and leads to nowhere but into the tree that names it."""
    rooted = "://" in mirror or mirror.startswith(("~", "/", "\\")) or Path(mirror).is_absolute()
    return not rooted and ".." not in re.split(r"[/\\]", mirror)


def _is_here(place: str) -> bool:
    return is_local(place) or is_this_machine(_split(place).hostname)


def _split(place: str) -> SplitResult:
    try:
        return urlsplit(place)
    except ValueError:
        raise _unusable(place) from None


def _unusable(place: str) -> UsageError:
    return UsageError(f"the mirror '{shown(place)}' cannot be used; {EXPECTED}")
