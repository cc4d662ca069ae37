"""Downloads from a server that may fail, lie or stall: resumed, retried, bounded.

requests does the talking (TLS, proxies and credentials of the environment) and urllib3 decides how
long to wait before the next attempt. What they leave open is here: going on where a transfer was
cut, how much is read at most, and where a redirect may lead. How long it may take in all, whatever
the server does, is a matter of `serving.hub.deadline`.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, TypeVar
from urllib.parse import SplitResult, urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from tqdm import tqdm
from urllib3.exceptions import HTTPError, MaxRetryError

from serving.errors import first_line
from serving.hub.deadline import Deadline, LateError
from serving.hub.local import shown

TIMEOUTS = (10, 30)  # seconds to connect, and between two pieces of an answer
RETRIES, BACKOFF, LONGEST_WAIT = 4, 0.5, 30  # attempts without progress; 0, 1, 2, 4 seconds apart
ATTEMPTS = 100  # in all
REDIRECTS = 5
CHUNK = 2**18
_LONGEST_MESSAGE = 500
_PASSING_STATUSES = {408, 425, 429, 500, 502, 503, 504}
_Result = TypeVar("_Result")


class TransferError(Exception):
    """Why a place did not give a file; the caller tries the next one, and adds which it was.

    The message is one line that a terminal can show, whatever the server said.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shown(message)[:_LONGEST_MESSAGE])


class _BusyError(Exception):
    """The server asks to come again."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(f"{response.status_code} {response.reason}")
        self.retry_after = response.headers.get("Retry-After", "")


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
        TransferError: the server does not give a file of that size, or is too slow.
        OSError: the file cannot be written.
    """
    with part.open("ab") as file, _bar(part, size, file.tell()) as bar:
        if file.tell() < size:
            _in_time(size, lambda deadline: _fill(deadline, url, file, bar, size, headers or {}))


def read(url: str, limit: int, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a small document whose size is not known.

    Raises:
        TransferError: the server does not give it, or is too slow, or it is larger than the limit.
    """
    return _in_time(limit, lambda deadline: _whole(deadline, url, limit, headers or {}))


def _in_time(size: int, transfer: Callable[[Deadline], _Result]) -> _Result:
    deadline = Deadline(size)
    try:
        return deadline.run(lambda: transfer(deadline))
    except LateError as error:
        raise TransferError(str(error)) from None


def _fill(
    deadline: Deadline,
    url: str,
    file: BinaryIO,
    bar: "tqdm[Any]",
    size: int,
    headers: Mapping[str, str],
) -> None:
    """Complete a file; where it is closed meanwhile, as the time is up, not a byte is written."""

    def attempt() -> None:
        have = file.tell()
        wanted = {"Range": f"bytes={have}-"} if have else {}
        with _open(deadline, url, {**headers, **wanted}) as response:
            if not _continues(response, have, size):
                file.seek(0)
                file.truncate()
                bar.reset()
            for data in _pieces(deadline, response, size - file.tell()):
                file.write(data)
                bar.update(len(data))
        if file.tell() < size:
            raise HTTPError(f"cut after {file.tell()} of {size} bytes")

    _persist(url, attempt, file.tell)


def _whole(deadline: Deadline, url: str, limit: int, headers: Mapping[str, str]) -> bytes:
    def attempt() -> bytes:
        with _open(deadline, url, dict(headers)) as response:
            _continues(response, 0, None)
            data = b"".join(_pieces(deadline, response, limit + 1))
        if len(data) > limit:
            raise TransferError(f"it is larger than {limit} bytes")
        return data

    return _persist(url, attempt, lambda: 0)


def _persist(url: str, attempt: Callable[[], _Result], progress: Callable[[], int]) -> _Result:
    """Repeat an attempt while it gets on, and some times more while it does not."""
    policy = urllib3.Retry(total=RETRIES, backoff_factor=BACKOFF, retry_after_max=LONGEST_WAIT)
    retry, before = policy, progress()
    for _ in range(ATTEMPTS):
        try:
            return attempt()
        except _PASSING as error:
            if progress() > before:
                retry, before = policy, progress()
            try:
                retry = retry.increment("GET", url, error=error)
            except MaxRetryError:
                raise TransferError(f"{_why(error)}, after {RETRIES + 1} attempts") from error
            time.sleep(_pause(retry, error))
        # requests and urllib3 let pass what the parsing of addresses raises.
        except (requests.RequestException, ValueError) as error:
            raise TransferError(_why(error)) from error
    raise TransferError(f"it was cut {ATTEMPTS} times")


def _pause(retry: urllib3.Retry, error: Exception) -> float:
    """Return for how many seconds to wait: as the server asks, if that can be understood."""
    asked = 0.0
    if isinstance(error, _BusyError) and error.retry_after:
        with suppress(HTTPError, ValueError, OverflowError, TypeError):
            asked = retry.parse_retry_after(error.retry_after)
    return asked or retry.get_backoff_time()


def _why(error: Exception) -> str:
    """Return what went wrong, without the layers of libraries that it came through."""
    inner = error.args[0] if error.args else error
    reason = getattr(inner, "reason", None) or inner
    return first_line(reason if isinstance(reason, Exception) else error).rpartition(": ")[2]


def _pieces(deadline: Deadline, response: requests.Response, most: int) -> Iterator[bytes]:
    while most > 0 and (
        # Unlike `iter_content` this hands over what is there, so a drip is seen as one.
        data := response.raw.read1(min(CHUNK, most), decode_content=False)
    ):
        most -= len(data)
        deadline.received(len(data))
        yield data


class _Session(requests.Session):
    """Talks to a server over connections that a deadline watches."""

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self.headers.update({"User-Agent": "genzoo", "Accept-Encoding": "identity"})
        for scheme in ("https://", "http://"):
            self.mount(scheme, _Adapter(deadline))

    def resolve_redirects(self, *_: Any, **__: Any) -> Iterator[Any]:
        """Leave them to `_open`: requests would read all of an answer that leads elsewhere."""
        return iter(())


class _Adapter(HTTPAdapter):
    """Opens a connection for each request, and tells a deadline of it."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        super().__init__()

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        self.close()  # no connection of an earlier request is used again
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        plain, deadline = pool.ConnectionCls, self._deadline

        class Watched(plain):  # type: ignore[misc, valid-type]
            def _new_conn(self) -> socket.socket:
                connection: socket.socket = super()._new_conn()
                deadline.watch(connection)
                return connection

        pool.ConnectionCls = Watched
        return pool


def _bar(part: Path, size: int, have: int) -> "tqdm[Any]":
    name = part.name.strip(".").removesuffix(".part")
    return tqdm(  # on a terminal only
        desc=name, total=size, initial=have, unit="B", unit_scale=True, leave=False, disable=None
    )


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
    if response.status_code == 206 and size is not None:
        found = response.headers.get("Content-Range", "no range")
        if found not in (f"bytes {have}-{size - 1}/{size}", f"bytes {have}-{size - 1}/*"):
            raise TransferError(f"it sends {found}; expected bytes {have}-{size - 1}/{size}")
        return True
    length = response.headers.get("Content-Length")
    if size is not None and length not in (None, str(size)):
        raise TransferError(f"its file has {length} bytes; expected {size}")
    return have == 0


def _open(deadline: Deadline, url: str, headers: dict[str, str]) -> requests.Response:
    """Ask for a document, and go where the server sends us if that is no worse a place."""
    first, session = urlsplit(url).hostname, _Session(deadline)
    for _ in range(REDIRECTS + 1):
        response = session.get(
            url, headers=headers, stream=True, allow_redirects=False, timeout=TIMEOUTS
        )
        if not response.is_redirect:
            return response
        response.close()
        old, new = urlsplit(url), _target(url, response.headers["Location"])
        if new.scheme != old.scheme or not new.hostname:
            raise TransferError(f"it redirects from {old.scheme}:// to {new.geturl()[:200]}")
        if is_private(new.hostname) and not is_private(first):
            raise TransferError(f"it redirects to {new.hostname}, an address inside your network")
        if new.netloc != old.netloc:
            headers = {name: headers[name] for name in headers if name == "Range"}
        url = new.geturl()
    raise TransferError(f"it redirects more than {REDIRECTS} times")


def _target(url: str, location: str) -> SplitResult:
    """Return where a redirect leads."""
    try:
        return urlsplit(urljoin(url, location))
    except ValueError:
        raise TransferError(f"it redirects to {location[:200]}, which is no address") from None


def is_private(host: str | None) -> bool:
    """Say whether a host is this machine, or on a network that the internet does not reach.

    A name that could lead elsewhere when it is looked up again gains nothing: only https gets
    here from outside, and the certificate must be the name's.
    """
    try:
        found = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False  # connecting will say what is wrong with it
    addresses = [ipaddress.ip_address(text) for text in found]
    plain = [getattr(address, "ipv4_mapped", None) or address for address in addresses]
    return not all(address.is_global and not address.is_multicast for address in plain)
