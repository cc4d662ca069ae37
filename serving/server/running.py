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

from serving.collecting import look_at_new_only
from serving.errors import GenzooError
from serving.server.application import Server
from serving.server.operations.certificates import Certificate
from serving.server.protocol import Protocol

log = logging.getLogger("serving.server")
# Longer than clients and proxies keep a connection that is idle, so that they close it and not we,
# just as they send the next request.
IDLE_SECONDS = 75
LAST_SECONDS = 2.0  # for those that were stopped, to say so
SWITCH_SECONDS = 0.0005  # that a thread keeps the event loop waiting for the interpreter


class Runner(uvicorn.Server):
    """A server that, told to stop, takes no more requests and finishes those that it has.

    Those that take longer than `Limits.closing_seconds` are stopped, and told so.

    Args:
        server: what is run.
        host, port: where; port 0 takes any that is free, see `address`.
        certificate: has it speak TLS.
        alone: whether its process does nothing else, and may be set to its needs.
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
        alone: bool = False,
        **options: Any,
    ) -> None:
        settings: dict[str, Any] = {
            "http": partial(Protocol, shed=server.shedding.refusal),
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
        self._served, self._alone = server, alone
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
            if self._alone:
                look_at_new_only()
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
    runner = Runner(server, host, port, certificate, alone=True, **options)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        runner.run()
    except SystemExit:  # what uvicorn says where it cannot listen; it has logged why
        raise GenzooError(f"cannot listen on {host} port {port}; choose another --port") from None
    if runner.error is not None:
        raise runner.error
    log.info("closed")
