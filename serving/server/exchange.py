"""A request on its way to an answer: read, admitted, watched, answered, and told of."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from serving.errors import GenzooError
from serving.numbers import real
from serving.runtime.interruption import Interruption
from serving.server import errors
from serving.server.logs import request_id
from serving.server.metrics import OTHER
from serving.server.operations import tracing
from serving.server.operations.keys import Key, given_key
from serving.server.work.leaving import UnlessGone

if TYPE_CHECKING:
    from serving.server.application import Server
    from serving.server.repository import Served

PIECE = 2**18  # bytes of an answer that are sent at once
SMALL = 4096  # bytes of a body that are read at once
_ORIGIN = ("model", "model-hash", "model-variant", "seed")  # what headers `x-...` say of an answer
log = logging.getLogger("serving.server")


@dataclass
class Exchange:
    """A request that was read whole, and what its answer will say beside its content.

    Attributes:
        server: that it came to.
        request: its head.
        data: its body, decompressed.
        wanted: stops what is computed for it.
        deadline: when it must be answered, of `time.monotonic`.
    """

    server: "Server"
    request: Request
    data: bytes
    wanted: Interruption
    deadline: float

    @property
    def path(self) -> dict[str, str]:
        """The words of the path that the route has names for."""
        return self.request.path_params

    @property
    def key(self) -> Key | None:
        """Whose key the request came with, where the server asks for one."""
        found: Key | None = self.request.scope["state"]["told"].key
        return found

    async def parse(self, read: Callable[..., Any], *arguments: Any) -> Any:
        """Return what `read` returns of a body: in a thread, where it may take a while."""
        if len(self.data) <= SMALL:
            return read(*arguments)
        return await self.aside(read, *arguments)

    async def aside(self, read: Callable[..., Any], *arguments: Any) -> Any:
        """Return what `read` returns, in a thread: it may take a while."""
        return await asyncio.to_thread(read, *arguments)

    async def compute(
        self, served: "Served", rows: int, work: Callable[[], Any], row_bytes: int = 0
    ) -> Any:
        """Return what `work` returns, computed by the threads of a model.

        Args:
            served: the model.
            rows: that it makes at most.
            work: makes them.
            row_bytes: of each.

        Raises:
            RequestError: it is too much, or too late.
        """
        assert served.lane is not None
        most = self.server.limits.answer_bytes
        if rows * row_bytes > most:
            raise errors.RequestError(
                f"{rows} rows have {rows * row_bytes} bytes; ask for {most // row_bytes} at most"
            )
        with (
            self.server.admission.rows(rows),
            tracing.span("compute", model=served.name, rows=rows),
        ):
            return await served.lane.run(work, self.wanted, self.deadline)


def origin(served: "Served", seed: int | list[int] | None = None) -> dict[str, str]:
    """Return the headers that say how an answer can be made again."""
    told = {"x-model": served.name, "x-model-hash": served.hash}
    if served.model is not None:
        told["x-model-variant"] = served.model.variant
    if seed is not None:
        told["x-seed"] = str(seed) if isinstance(seed, int) else ",".join(map(str, seed))
    return told


def json_response(document: object, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response in JSON."""
    return Response(as_json(document), headers=headers, media_type="application/json")


def as_json(document: object) -> bytes:
    """Return a document in JSON; what is no finite number is null."""
    return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)


Handler = Callable[[Exchange], Awaitable[Response]]
# Method, path and handler of a route, and what else `Endpoint` takes, in order.
Way = tuple[str, str, Handler, bool] | tuple[str, str, Handler, bool, bool]


class Endpoint:
    """Answers the requests of one route.

    Args:
        server: that it is part of.
        route: the pattern of its path.
        handler: makes the answer.
        admitted: whether requests are counted; those that ask how the server is are not.
        computes: whether they ask the model that its path names.
    """

    def __init__(
        self,
        server: "Server",
        route: str,
        handler: Handler,
        *,
        admitted: bool = True,
        computes: bool = False,
    ) -> None:
        self.server, self.route, self._handler = server, route, handler
        self._admitted, self._computes = admitted, computes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if self.route not in self.server.open:
            self._identify(scope)
        if not self._admitted:
            await self._answer(Request(scope, receive), b"", Interruption(), send)
            return
        server, told = self.server, scope["state"]["told"]
        if self._computes:  # who is refused had better be before anything is read of it
            line = server.repository.line_of(scope["path_params"]["model"])
            if line is not None:
                line.check()
        most = None if told.key is None else told.key.requests
        with (
            server.bodies.room() as room,
            server.admission.enter(told.client, most) as wanted,
        ):
            request = Request(scope, receive)
            data = await server.bodies.read(request, room)
            most = server.limits.seconds + server.limits.sending_seconds
            async with UnlessGone(receive, wanted, most):
                await self._answer(request, data, wanted, send)

    def _identify(self, scope: Scope) -> None:
        """Find out whose key came with a request, where the server asks for one."""
        keys = self.server.keys
        if keys is None:
            return
        given = given_key(Headers(scope=scope))
        key = keys.holder(given)
        if key is None:
            raise errors.no_key(bool(given))
        scope["state"]["told"].key = key

    async def _answer(
        self, request: Request, data: bytes, wanted: Interruption, send: Send
    ) -> None:
        deadline = time.monotonic() + _seconds(request, self.server.limits.seconds)
        exchange = Exchange(self.server, request, data, wanted, deadline)
        response = await self._handler(exchange)
        if len(getattr(response, "body", b"")) > PIECE:
            send = partial(_in_pieces, send)
        await response(request.scope, _nothing_more, send)


async def _in_pieces(send: Send, message: Message) -> None:
    """Send a large body piece by piece, so that whoever reads slowly is waited for."""
    body = message.get("body", b"")
    last = max(0, len(body) - 1) // PIECE * PIECE  # where the last piece begins
    for begin in range(0, last, PIECE):
        piece = body[begin : begin + PIECE]
        await send({"type": message["type"], "body": piece, "more_body": True})
    await send(message if not last else {**message, "body": body[last:]})


async def _nothing_more() -> Message:
    await asyncio.Event().wait()
    raise AssertionError("an event that nobody sets was set")


def _seconds(request: Request, most: float) -> float:
    """Return how long a request may take: what it says, and no more than is allowed."""
    given = request.headers.get("x-request-timeout")
    if given is None:
        return most
    with suppress(ValueError):
        return min(most, real(float(given), "x-request-timeout", above=0))
    raise errors.RequestError(f"x-request-timeout is '{given:.40}'; expected a number of seconds")


@dataclass
class Surrounding:
    """Gives each request an id, turns what goes wrong into an answer, and tells of both.

    Args:
        app: what answers.
        server: that it is part of.
    """

    app: Callable[[Scope, Receive, Send], Awaitable[None]]
    server: "Server"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        told = _Told(scope, send, self.server.prefix)
        with tracing.request(scope["method"], scope["headers"]) as span:
            await self._answer(scope, receive, told)
            self._count(scope, told, span)

    async def _answer(self, scope: Scope, receive: Receive, told: "_Told") -> None:
        try:
            await self.app(scope, receive, told.send)
        except Exception as error:
            refusal, headers = errors.as_refusal(error), None
            if isinstance(error, HTTPException):  # of the router
                refusal = errors.no_route(error.status_code, scope["method"])
                headers = error.headers
            if refusal.status == 500 and not isinstance(error, GenzooError):
                log.exception("mistake", extra={"request": told.id})
            told.refusal = refusal
            if not told.status and refusal.status != errors.CLIENT_GONE:
                await errors.response(refusal, told.path, headers)(scope, receive, told.send)

    def _count(self, scope: Scope, told: "_Told", span: Any | None) -> None:
        metrics, seconds = self.server.metrics, time.monotonic() - told.began
        route = getattr(scope.get("endpoint"), "route", OTHER)
        refused = told.refusal or told.stream_refusal
        status = str(told.status or errors.CLIENT_GONE)
        metrics.answered(route, status, seconds)
        if refused is not None and refused.status == errors.CLIENT_GONE:
            metrics.cancelled.inc()
        elif refused is not None:
            metrics.rejected.labels(refused.reason).inc()
        fields = {
            "request": told.id,
            "method": scope["method"],
            "route": route,
            "status": int(status),
            "milliseconds": round(1000 * seconds, 3),
            "client": told.address,
        }
        if told.key is not None:
            fields["key"] = told.key.name
        if refused is not None:
            fields["refused"] = str(refused)
        log.info("request", extra=fields)
        if span is not None:
            span.update_name(f"{scope['method']} {route}")
            tracing.answered(span, route, int(status), {"request": told.id} | told.origin)


class _Told:
    """What is said to a client beside the answer, and remembered of it."""

    def __init__(self, scope: Scope, send: Send, prefix: str) -> None:
        self.id = request_id(scope["headers"])
        self.path = scope["path"].removeprefix(prefix)
        self.began, self.status = time.monotonic(), 0
        self.refusal: errors.RequestError | None = None
        self.address: str = (scope.get("client") or ("",))[0]
        self.key: Key | None = None
        self._headers: list[tuple[bytes, bytes]] = []  # of the answer
        self._scope, self._send = scope, send
        scope.setdefault("state", {})["told"] = self

    @property
    def client(self) -> str:
        """Who asks: whose key it is, or else from what address."""
        return self.address if self.key is None else f"key {self.key.id}"

    @property
    def origin(self) -> dict[str, str | None]:
        """What the answer's headers say of how it can be made again."""
        found = Headers(raw=self._headers)
        return {each.replace("-", "_"): found.get(f"x-{each}") for each in _ORIGIN}

    @property
    def stream_refusal(self) -> errors.RequestError | None:
        """What went wrong after the answer had begun."""
        found: errors.RequestError | None = self._scope["state"].get("refusal")
        return found

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            own = (b"x-request-id", self.id.encode())
            self._headers = [*message.get("headers", []), own]
            message = {**message, "headers": self._headers}
        await self._send(message)
