"""Runs the application on a socket until it is told to stop, and lets it finish what it has."""

import asyncio
import logging
import signal
import sys
import time
from contextlib import suppress
from functools import partial
from socket import socket
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.errors import GenzooError
from serving.server.application import Server
from serving.server.operations.certificates import Certificate

log = logging.getLogger("serving.server")
# Longer than clients and proxies keep a connection that is idle, so that they close it and not we,
# just as they send the next request.
IDLE_SECONDS = 75
LAST_SECONDS = 2.0  # for those that were stopped, to say so
SWITCH_SECONDS = 0.0005  # that a thread keeps the event loop waiting for the interpreter
HEAD_SECONDS = 10.0  # until the head of a request must be here
HEAD_BYTES = 2**16  # of that head, which the parser knows no bound of


class Protocol(HttpToolsProtocol):
    """HTTP of which a request's head is small and comes in time, or the connection is closed."""

    _due: asyncio.TimerHandle | None = None
    _within = False  # whether a head has begun that has not ended
    _more = 0  # bytes of it beyond those that it began with

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
        self._within = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._within = False
        super().on_headers_complete()
        if self.scope["method"] != "HEAD":  # of which nothing follows the head
            self.cycle.transport = _Joined(self.transport)  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._expect_no_more()

    def _expect(self) -> None:
        """Let the time run from the first byte that there is no request for, to its head's end."""
        if self.cycle is not None and not self.cycle.response_complete:
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


class Runner(uvicorn.Server):
    """A server that, told to stop, takes no more requests and finishes those that it has.

    Those that take longer than `Limits.closing_seconds` are stopped, and told so.

    Args:
        server: what is run.
        host, port: where; port 0 takes any that is free, see `address`.
        certificate: has it speak TLS.
        options: of `uvicorn.Config`.

    Attributes:
        error: why it ended by itself, if it did.
    """

    def __init__(
        self,
        server: Server,
        host: str,
        port: int,
        certificate: Certificate | None = None,
        **options: Any,
    ) -> None:
        settings: dict[str, Any] = {
            "http": Protocol,
            "ws": "none",
            # Others keep the interpreter to themselves while they send, and models wait for it.
            "loop": "asyncio",
            "lifespan": "on",
            "log_config": None,
            "access_log": False,
            "server_header": False,
            "timeout_graceful_shutdown": 1,
            "timeout_keep_alive": IDLE_SECONDS,
        }
        if certificate is not None:
            settings |= {"ssl_certfile": certificate.certificate, "ssl_keyfile": certificate.key}
        config = uvicorn.Config(server.application(), host, port, **settings | options)
        super().__init__(config)
        if certificate is not None:
            server.renewal.certificates = partial(self._renew_certificate, certificate)
        self._served = server
        self._renewing: set[asyncio.Task[None]] = set()
        self._stop_at: float | None = None
        self._stopped = self._told = False
        self.error: Exception | None = None

    def _renew_certificate(self, certificate: Certificate) -> None:
        assert self.config.ssl is not None
        certificate.load(self.config.ssl)

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen, and take everything anew at SIGHUP."""
        await super().startup(sockets)
        # Elsewhere than in the main thread, or where there is no such signal, nobody sends it.
        with suppress(AttributeError, NotImplementedError, RuntimeError, ValueError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self.renew)

    def renew(self) -> None:
        """Begin to take models, keys and certificates anew."""
        task = asyncio.get_running_loop().create_task(self._served.renewal.everything())
        self._renewing.add(task)
        task.add_done_callback(self._renewing.discard)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return host, port

    def close(self) -> None:
        """Begin to stop."""
        if self._stop_at is None:
            self._served.admission.closing = True
            self._stop_at = time.monotonic() + self._served.limits.closing_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop at a signal; at the second Ctrl+C at once."""
        if self._stop_at is not None and sig == signal.SIGINT:
            self.force_exit = self.should_exit = True
        self.close()

    async def on_tick(self, counter: int) -> bool:
        """Look, ten times a second, whether it is time to go."""
        if self._served.failed is not None:
            self.error = self._served.failed
            return True
        if self._served.ready and not self._told:
            self._told = True
            log.info("ready", extra={"address": "{}:{}".format(*self.address)})
        if self._stop_at is not None:
            now, here = time.monotonic(), len(self._served.admission)
            if now >= self._stop_at and not self._stopped:
                self._stopped = True
                self._served.admission.stop_all()
            if not here or now >= self._stop_at + LAST_SECONDS:
                return True
        return await super().on_tick(counter)


def run(
    server: Server, host: str, port: int, certificate: Certificate | None = None, **options: Any
) -> None:
    """Run a server until it is told to stop.

    Raises:
        GenzooError: the models cannot be loaded, or the address cannot be had.
    """
    runner = Runner(server, host, port, certificate, **options)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        runner.run()
    except SystemExit:  # what uvicorn says where it cannot listen; it has logged why
        raise GenzooError(f"cannot listen on {host} port {port}; choose another --port") from None
    if runner.error is not None:
        raise runner.error
    log.info("closed")
