"""A client that costs next to nothing, since it shares the processors with what it measures."""

import asyncio
import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any


class Client:
    """One connection over HTTP/1.1, kept alive; it knows what this server answers, and no more.

    Args:
        address: host and port.
    """

    def __init__(self, address: str):
        self._host, _, port = address.partition(":")
        self._port = int(port)

    async def __aenter__(self) -> "Client":
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._writer.close()

    async def ask(self, path: str, document: Any = None, accept: str = "*/*") -> tuple[int, bytes]:
        """Return status and body of an answer."""
        headers = await self._send(path, document, accept)
        body = await self._reader.readexactly(int(headers.get(b"content-length", 0)))
        return self._status, body

    async def stream(self, path: str, document: Any) -> AsyncIterator[bytes]:
        """Yield the pieces of an answer as they come, each of one event or of several."""
        await self._send(path, document, "*/*")
        while size := int(await self._reader.readline(), 16):
            yield (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readline()

    async def _send(self, path: str, document: Any, accept: str) -> dict[bytes, bytes]:
        body = b"" if document is None else json.dumps(document).encode()
        method = "GET" if path == "/metrics" else "POST"
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        head_bytes = await self._reader.readuntil(b"\r\n\r\n")
        first, *lines = head_bytes.split(b"\r\n")[:-2]
        self._status = int(first.split()[1])
        pairs = (line.partition(b": ") for line in lines)
        return {name.lower(): value for name, _, value in pairs}
