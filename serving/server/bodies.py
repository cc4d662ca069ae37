"""Bodies of requests: counted while they are read, also decompressed, and parsed within bounds."""

import asyncio
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import orjson
from starlette.requests import ClientDisconnect, Request

from serving.errors import first_line
from serving.runtime.interruption import StoppedError
from serving.server.errors import RequestError, too_many
from serving.server.limits import Limits

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.S)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_OPENING = np.frombuffer(b"[{", np.uint8)
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Bodies:
    """Reads bodies, and knows how many bytes of them are here.

    Attributes:
        held: bytes of the bodies of all requests that are not answered yet.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.held = 0

    @contextmanager
    def room(self) -> Iterator["Room"]:
        """Give a request room for its body, until it is answered."""
        room = Room(self)
        try:
            yield room
        finally:
            self.held -= room.bytes

    async def read(self, request: Request, room: "Room") -> bytes:
        """Return the body of a request, decompressed.

        Raises:
            RequestError: it is too large or too slow, or its encoding is wrong or unknown.
        """
        limits = self._limits
        announced = request.headers.get("content-length", "0")
        if not announced.isdecimal() or int(announced[:20]) > limits.body_bytes:
            raise _too_large(limits.body_bytes)
        try:
            async with asyncio.timeout(limits.reading_seconds):
                return await self._read(request, room)
        except TimeoutError:
            raise RequestError("the request came too slowly", 408, reason="timeout") from None
        except ClientDisconnect:
            raise StoppedError("the client went away") from None

    async def _read(self, request: Request, room: "Room") -> bytes:
        unpack = _decompressor(request.headers.get("content-encoding", "identity"))
        most, packed, parts, size = self._limits.body_bytes, 0, [], 0
        async for chunk in request.stream():
            packed += len(chunk)
            if packed > most:
                raise _too_large(most)
            try:
                part = chunk if unpack is None else unpack.decompress(chunk, most - size + 1)
            except zlib.error as error:
                raise RequestError(
                    f"the body cannot be decompressed: {first_line(error)}"
                ) from None
            size += len(part)
            if size > most:
                raise _too_large(most)
            if self.held + len(part) > self._limits.bytes_held:
                raise too_many(f"it holds {self.held} bytes of requests")
            room.bytes += len(part)
            self.held += len(part)
            parts.append(part)
        if unpack is not None and not unpack.eof:
            raise RequestError("the body cannot be decompressed: it ends too early")
        return b"".join(parts)


class Room:
    """How many bytes a request holds."""

    def __init__(self, bodies: Bodies) -> None:
        self.bytes = 0


def parsed(data: bytes, limits: Limits) -> Any:
    """Return what a body in JSON says.

    Raises:
        RequestError: it is no JSON, too large, or nested too deeply.

    Example:
        >>> parsed(b'{"n": [1, 2]}', Limits())
        {'n': [1, 2]}
    """
    if len(data) > limits.json_bytes:
        raise RequestError(
            f"{len(data)} bytes of JSON are too many, {limits.json_bytes} at most; "
            "send arrays as binary data, and pictures as files",
            413,
            reason="too_large",
        )
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise RequestError(f"the body is not valid JSON: {first_line(error)}") from None
    if _depth(data) > limits.json_depth:
        raise RequestError(f"the body is nested more than {limits.json_depth} deep")
    return document


def parsed_object(data: bytes, limits: Limits) -> dict[str, Any]:
    """Return a body in JSON that must be an object; an empty body is an empty one."""
    document = parsed(data, limits) if data.strip() else {}
    if not isinstance(document, dict):
        raise RequestError(f"the body is a JSON {type(document).__name__}; expected an object")
    return document


def _depth(data: bytes) -> int:
    """Return how deep the lists and objects of valid JSON lie in each other.

    Example:
        >>> _depth(b'{"a[[[": [[], 1]}')
        3
    """
    # Only of valid JSON, where every string ends: otherwise the search could take for ever.
    brackets = np.frombuffer(_STRING.sub(b"", data).translate(None, _NOT_BRACKETS), np.uint8)
    if not len(brackets):
        return 0
    steps = np.where(np.isin(brackets, _OPENING), 1, -1)
    return int(np.cumsum(steps).max())


def _decompressor(encoding: str) -> Any:
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return None
    if encoding not in _WINDOW_BITS:
        known = ", ".join(_WINDOW_BITS)
        raise RequestError(f"content-encoding is '{encoding:.40}'; expected one of {known}", 415)
    return zlib.decompressobj(_WINDOW_BITS[encoding])


def _too_large(most: int) -> RequestError:
    message = f"the body is larger than {most} bytes; send less at a time"
    return RequestError(message, 413, reason="too_large")
