"""A client that costs next to nothing, since it shares the processors with what it measures."""

import asyncio
import json
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, TypeVar

import uvloop

Result = TypeVar("Result")
_END = b"\r\n\r\n"
_LENGTH = b"content-length: "
_LAST = b"0" + _END  # of an answer in chunks


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """Return what a coroutine of clients returns."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


class Client(asyncio.Protocol):
    """One connection over HTTP/1.1, kept alive; it knows what this server answers, and no more.

    Args:
        address: host and port.
    """

    def __init__(self, address: str):
        self._host, _, port = address.partition(":")
        self._port = int(port)
        self._data, self._due = bytearray(), -1  # of an answer, and how many bytes it has

    async def __aenter__(self) -> "Client":
        loop = asyncio.get_running_loop()
        self._loop, self._answer = loop, loop.create_future()
        self._transport, _ = await loop.create_connection(lambda: self, self._host, self._port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._transport.close()

    async def ask(self, path: str, document: Any = None, accept: str = "*/*") -> tuple[int, bytes]:
        """Return status and body of an answer; of a stream as it came, in chunks."""
        answer = await self.begin(path, document, accept)
        return int(answer[9:12]), answer[answer.index(_END) + 4 :]

    def begin(
        self, path: str, document: Any = None, accept: str = "*/*"
    ) -> "asyncio.Future[bytes]":
        """Send a request; return what its answer will be, head and body."""
        body = b"" if document is None else json.dumps(document).encode()
        method = "GET" if path == "/metrics" else "POST"
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._data, self._due = bytearray(), -1
        self._answer = self._loop.create_future()
        self._transport.write(head.encode() + body)
        return self._answer

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._data += data
        if self._due < 0 and (end := self._data.find(_END)) >= 0:
            at = self._data.find(_LENGTH, 0, end)
            size = self._data[at + len(_LENGTH) : self._data.index(b"\r", at)] if at >= 0 else b""
            self._due = end + 4 + int(size) if size else 0
        done = len(self._data) >= self._due if self._due else self._data.endswith(_LAST)
        if done and self._due >= 0:
            self._answer.set_result(bytes(self._data))

    def connection_lost(self, error: Exception | None) -> None:
        """Tell whoever waits that there will be no answer."""
        if not self._answer.done():
            self._answer.set_exception(error or ConnectionError("the server has closed it"))
            self._answer.exception()  # which nobody need ask for
