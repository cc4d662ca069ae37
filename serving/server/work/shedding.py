"""Load shedding: who asks a model that is full is turned away by the head of the request alone.

An answer takes the event loop half a millisecond, and a refusal on the same way not much less. In
an overload, in which most are refused, nothing would be left for those who are let in.
"""

import logging
import re
import time
from collections.abc import Callable, Sequence

import orjson

from serving.server.errors import RETRY_AFTER, RequestError, body
from serving.server.logs import request_id
from serving.server.metrics import Metrics
from serving.server.work.line import Line

PERIOD = 1.0  # seconds that one line of the log tells of

log = logging.getLogger("serving.server")


class Shedding:
    """Knows the paths that ask a model, and what is said where that has no room.

    Args:
        line_of: returns the line that a request waits in, by the name of a model; None for none.
        metrics: count who is turned away.

    Example:
        >>> line = Line(1)
        >>> shedding = Shedding({"vae-mnist": line}.get, Metrics())
        >>> shedding.add("/v1/calls/{model}/{call}")
        >>> with line.enter():
        ...     shedding.refusal(b"/v1/calls/vae-mnist/generate?n=1", [])[:32]
        b'HTTP/1.1 503 Service Unavailable'
    """

    def __init__(self, line_of: Callable[[str], Line | None], metrics: Metrics) -> None:
        self._line_of, self._metrics = line_of, metrics
        self._routes: list[tuple[re.Pattern[str], str]] = []
        self._since, self._count = time.monotonic(), 0  # of those the log has not told of

    def add(self, route: str, prefix: str = "") -> None:
        """Let a pattern with a `{model}` be one of the paths, as it is and under a prefix."""
        path = "/".join(map(_pattern, route.split("/")))
        self._routes.append((re.compile(f"(?:{re.escape(prefix)})?({path})"), route))

    def refusal(self, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes | None:
        """Return the whole answer to who is turned away; None to who is not.

        Args:
            target: path and query, as they came.
            headers: of the request, their names in small letters.
        """
        path = target.partition(b"?")[0].decode("latin-1")
        for pattern, route in self._routes:
            found = pattern.fullmatch(path)
            line = self._line_of(found["model"]) if found else None
            if found and line is not None:
                try:
                    line.announce()
                except RequestError as error:
                    return self._told(error, route, found[1], headers)
        return None

    def _told(
        self,
        error: RequestError,
        route: str,
        path: str,
        headers: Sequence[tuple[bytes, bytes]],
    ) -> bytes:
        self._metrics.answered(route, str(error.status), 0.0)
        self._metrics.rejected.labels(error.reason).inc()
        self._log()
        said = orjson.dumps(body(error, path))
        return (
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
            b"retry-after: %d\r\nx-request-id: %b\r\ncontent-length: %d\r\n\r\n%b"
        ) % (RETRY_AFTER, request_id(headers).encode(), len(said), said)

    def _log(self) -> None:
        """Tell of all of a period in one line, as lines cost more than refusals."""
        self._count += 1
        now = time.monotonic()
        if now - self._since >= PERIOD:
            log.warning("full", extra={"refused": self._count})
            self._since, self._count = now, 0


def _pattern(part: str) -> str:
    """Return the pattern of one part of a path; names that are written otherwise are not asked."""
    if part == "{model}":
        return "(?P<model>[^/%]+)"
    return "[^/]+" if part.startswith("{") else re.escape(part)
