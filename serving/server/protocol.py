"""HTTP/1.1 as this server speaks it: what of a request is looked at before it is one."""

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0  # until the head of a request must be here
HEAD_BYTES = 2**16  # of that head, which the parser knows no bound of
SHED_BYTES = 2**14  # of a body that is read for nothing
Headers = list[tuple[bytes, bytes]]


class Protocol(HttpToolsProtocol):
    """HTTP of which a request's head is small and comes in time, or the connection is closed.

    Args:
        shed: is given the target and the headers of a request; returns the answer to who is turned
            away, or None. Whose body is large is not asked about.
    """

    _due: asyncio.TimerHandle | None = None
    _within = False  # whether a head has begun that has not ended
    _more = 0  # bytes of it beyond those that it began with
    _refused = False  # whether the request that came last was turned away
    _left = False  # whether the rest of it is still to come

    def __init__(
        self, *given: Any, shed: Callable[[bytes, Headers], bytes | None], **named: Any
    ) -> None:
        super().__init__(*given, **named)
        self._shed = shed

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def data_received(self, data: bytes) -> None:
        within = self._within
        super().data_received(data)
        self._expect()
        self._more = self._more + len(data) if within and self._within else 0
        if self._more > HEAD_BYTES:
            self.transport.close()

    def on_message_begin(self) -> None:
        self._within, self._refused = True, False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._within = False
        refusal = self._shed(self.url, self.headers) if self._may_be_shed() else None
        if refusal is not None:
            self._refused = self._left = True
            self.transport.write(refusal)
            if not self.parser.should_keep_alive():
                self.transport.close()
            return
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":  # of which nothing follows the head
            self.cycle.transport = _Joined(self.transport)  # type: ignore[assignment]

    def on_body(self, body: bytes) -> None:
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._refused:
            self._left = False
            self.on_response_complete()  # it waits for the next, but not for ever
        else:
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._expect_no_more()

    @property
    def _busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _may_be_shed(self) -> bool:
        """Say whether the request is the only one here, asks for work, and has a small body."""
        said = dict(self.headers)
        length = said.get(b"content-length", b"0")
        return not (
            self._busy
            or self.parser.get_method() != b"POST"
            or self.parser.should_upgrade()
            or self.expect_100_continue
            or b"transfer-encoding" in said
            or self.parser.get_http_version() != "1.1"
            or not length.isdigit()
            or int(length) > SHED_BYTES
        )

    def _expect(self) -> None:
        """Let the time run from the first byte that there is no request for, to its head's end."""
        if self._busy or (self._refused and not self._left):
            self._expect_no_more()
        elif self._due is None:
            self._due = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _expect_no_more(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None


class _Joined:
    """Sends the head of an answer with what follows it, which comes at once: to send costs.

    Args:
        transport: of the connection; of its methods, those that an answer needs are here.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._held, self._begun = transport, b"", False

    def write(self, data: bytes) -> None:
        """Send bytes, or hold them, if they are a head."""
        if self._begun or data.startswith(b"HTTP/1.1 100 "):
            self._transport.write(self._held + data if self._held else data)
            self._held = b""
        else:
            self._held, self._begun = data, True

    def is_closing(self) -> bool:
        """Whether nothing more is sent."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Send what is held, and close the connection."""
        if self._held:
            self.write(b"")
        self._transport.close()
