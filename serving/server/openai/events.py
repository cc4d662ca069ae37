"""Server-sent events: an answer that comes in pieces."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


def event(data: bytes) -> bytes:
    """Return one event.

    Example:
        >>> event(b"[DONE]")
        b'data: [DONE]\\n\\n'
    """
    return b"data: " + data + b"\n\n"


class EventStream(Response):
    """A response of events, sent as they come; made by `begun`."""

    media_type = "text/event-stream"

    def __init__(
        self, first: bytes, rest: AsyncGenerator[bytes], headers: Mapping[str, str]
    ) -> None:
        self._first, self._rest = first, rest
        self.status_code, self.background = 200, None
        self.init_headers({**headers, "cache-control": "no-cache", "x-accel-buffering": "no"})

    @classmethod
    async def begun(
        cls, events: AsyncGenerator[bytes], headers: Mapping[str, str]
    ) -> "EventStream":
        """Wait for the first events, so that what is wrong at once has a status of its own."""
        return cls(await anext(events), events, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, as ASGI has it."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        async with aclosing(self._rest) as rest:  # at once, where the client goes away
            async for events in rest:
                await send({"type": "http.response.body", "body": events, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
