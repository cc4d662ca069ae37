"""Downloads from a server that may fail, lie or stall: resumed, retried, bounded.

requests does the talking (TLS, proxies and credentials of the environment) and urllib3 decides how
long to wait before the next attempt. What they leave open is here: going on where a transfer was
cut, how much is read at most and how slowly, and where a redirect may lead.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from tqdm import tqdm
from urllib3.exceptions import HTTPError, MaxRetryError

from serving.errors import first_line

TIMEOUTS = (10, 30)  # seconds to connect, and between two pieces of an answer
FLOOR, WINDOW = 1024, 30  # give up below so many bytes a second, over so many seconds
RETRIES, BACKOFF, LONGEST_WAIT = 4, 0.5, 30  # attempts without progress; 0, 1, 2, 4 seconds apart
REDIRECTS = 5
CHUNK = 2**18
_PASSING_STATUSES = {408, 425, 429, 500, 502, 503, 504}
_Result = TypeVar("_Result")


class TransferError(Exception):
    """Why a place did not give a file; the caller tries the next one, and adds which it was."""


class _BusyError(Exception):
    """The server asks to come again."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(f"{response.status_code} {response.reason}")
        self.response = response.raw


_PASSING = (
    _BusyError,
    HTTPError,
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
)


def receive(url: str, part: Path, size: int, headers: Mapping[str, str] | None = None) -> None:
    """Add to a file what it lacks, until it has the expected size.

    Args:
        url: where the whole file is.
        part: the file; what it holds already is not asked for again.
        size: bytes that the whole file has. Not one more is read.
        headers: sent along, and not to another host that the server redirects to.

    Raises:
        TransferError: the server does not give a file of that size.
        OSError: the file cannot be written.
    """
    pace = _Pace()
    with _session() as session, part.open("ab") as file, _bar(part, size, file.tell()) as bar:

        def attempt() -> None:
            have = file.tell()
            response = _open(session, url, {**(headers or {}), **_range(have)})
            with response:
                if not _continues(response, have, size):
                    file.seek(0)
                    file.truncate()
                    bar.reset()
                for data in pace.pieces(response, size - file.tell()):
                    file.write(data)
                    bar.update(len(data))
            if file.tell() < size:
                raise HTTPError(f"cut after {file.tell()} of {size} bytes")

        if file.tell() < size:
            _persist(url, attempt, file.tell)


def read(url: str, limit: int, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a small document whose size is not known.

    Raises:
        TransferError: the server does not give it, or it is larger than the limit.
    """
    pace = _Pace()

    def attempt() -> bytes:
        with _open(session, url, dict(headers or {})) as response:
            _continues(response, 0, None)
            data = b"".join(pace.pieces(response, limit + 1))
        if len(data) > limit:
            raise TransferError(f"it is larger than {limit} bytes")
        return data

    with _session() as session:
        return _persist(url, attempt, lambda: 0)


def _persist(url: str, attempt: Callable[[], _Result], progress: Callable[[], int]) -> _Result:
    """Repeat an attempt while it gets on, and some times more while it does not."""
    policy = urllib3.Retry(total=RETRIES, backoff_factor=BACKOFF, retry_after_max=LONGEST_WAIT)
    retry, before = policy, progress()
    while True:
        try:
            return attempt()
        except _PASSING as error:
            if progress() > before:
                retry, before = policy, progress()
            try:
                retry = retry.increment("GET", url, error=error)
            except MaxRetryError:
                raise TransferError(f"{_why(error)}, after {RETRIES + 1} attempts") from error
            retry.sleep(getattr(error, "response", None))
        except requests.RequestException as error:
            raise TransferError(_why(error)) from error


def _why(error: Exception) -> str:
    """Return what went wrong, without the layers of libraries that it came through."""
    inner = error.args[0] if error.args else error
    reason = getattr(inner, "reason", None) or inner
    return first_line(reason if isinstance(reason, Exception) else error).rpartition(": ")[2]


class _Pace:
    """The pieces of answers, as long as they come fast enough."""

    def __init__(self) -> None:
        self._since, self._bytes = time.monotonic(), 0

    def pieces(self, response: requests.Response, most: int) -> Iterator[bytes]:
        while most > 0 and (
            # Unlike `iter_content` this hands over what is there, so a drip is seen as one.
            data := response.raw.read1(min(CHUNK, most), decode_content=False)
        ):
            most -= len(data)
            self._check(len(data))
            yield data

    def _check(self, received: int) -> None:
        self._bytes += received
        elapsed = time.monotonic() - self._since
        if elapsed > WINDOW:
            if self._bytes < FLOOR * elapsed:
                raise TransferError(f"it is too slow: {self._bytes} bytes in {elapsed:.0f} seconds")
            self._since, self._bytes = time.monotonic(), 0


def _session() -> requests.Session:
    session = requests.Session()
    session.headers.update({"User-Agent": "genzoo", "Accept-Encoding": "identity"})
    return session


def _bar(part: Path, size: int, have: int) -> tqdm:
    name = part.name.strip(".").removesuffix(".part")
    return tqdm(  # on a terminal only
        desc=name, total=size, initial=have, unit="B", unit_scale=True, leave=False, disable=None
    )


def _range(have: int) -> dict[str, str]:
    return {"Range": f"bytes={have}-"} if have else {}


def _continues(response: requests.Response, have: int, size: int | None) -> bool:
    """Say whether an answer begins where the file ends; False if at the beginning of both.

    Raises:
        TransferError: it is no answer, or of another file.
    """
    if response.status_code in _PASSING_STATUSES:
        raise _BusyError(response)
    if response.status_code not in (200, 206) or (response.status_code == 206 and not have):
        raise TransferError(f"{response.status_code} {response.reason}".strip())
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding != "identity":
        raise TransferError(f"it sends the file as {encoding}, which was not asked for")
    if response.status_code == 206:
        found = response.headers.get("Content-Range", "no range")
        if found not in (f"bytes {have}-{size - 1}/{size}", f"bytes {have}-{size - 1}/*"):
            raise TransferError(f"it sends {found}; expected bytes {have}-{size - 1}/{size}")
        return True
    length = response.headers.get("Content-Length")
    if size is not None and length not in (None, str(size)):
        raise TransferError(f"its file has {length} bytes; expected {size}")
    return have == 0


def _open(session: requests.Session, url: str, headers: dict[str, str]) -> requests.Response:
    """Ask for a document, and go where the server sends us if that is no worse a place."""
    first = urlsplit(url).hostname
    for _ in range(REDIRECTS + 1):
        response: Any = session.get(
            url, headers=headers, stream=True, allow_redirects=False, timeout=TIMEOUTS
        )
        if not response.is_redirect:
            return response
        response.close()
        target = urljoin(url, response.headers["Location"])
        old, new = urlsplit(url), urlsplit(target)
        if new.scheme != old.scheme or not new.hostname:
            raise TransferError(f"it redirects from {old.scheme}:// to {target[:200]}")
        if is_private(new.hostname) and not is_private(first):
            raise TransferError(f"it redirects to {new.hostname}, an address inside your network")
        if new.netloc != old.netloc:
            headers = {name: headers[name] for name in headers if name == "Range"}
        url = target
    raise TransferError(f"it redirects more than {REDIRECTS} times")


def is_private(host: str | None) -> bool:
    """Say whether a host is this machine, or on a network that the internet does not reach.

    A name that could lead elsewhere when it is looked up again gains nothing: only https gets
    here from outside, and the certificate must be the name's.
    """
    try:
        found = {entry[4][0].partition("%")[0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False  # connecting will say what is wrong with it
    addresses = [ipaddress.ip_address(text) for text in found]
    plain = [getattr(address, "ipv4_mapped", None) or address for address in addresses]
    return not all(address.is_global and not address.is_multicast for address in plain)
