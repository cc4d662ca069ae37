"""A transfer is over when its time is, whatever the other side does to hold it.

A server may send a byte now and then for ever, in any part of what it says, and each byte restarts
the clock of a socket. So the transfer runs in a thread of its own, which is waited for as long as
it comes on, and then left: its connection is shut, and it ends.
"""

import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from threading import Lock, Thread
from typing import TypeVar

GRACE = 180  # seconds: as long as all attempts at a server that says nothing take
FLOOR = 4096  # bytes a second
_SLICE = 1  # seconds after which an interruption by the user is noticed on every platform
_Result = TypeVar("_Result")


class LateError(Exception):
    """A transfer that did not come on."""


class Deadline:
    """So long may a transfer take: `GRACE` seconds, and one more for every `FLOOR` bytes that come.

    It is never more than `GRACE` seconds away, so what was fast may not stop; and what is sent
    again counts no more than once, so of `size` bytes the end is `GRACE + size / FLOOR` seconds
    away when the transfer begins.

    Args:
        size: the most bytes that the transfer is for.

    Example:
        >>> Deadline(size=7).run(lambda: "what came")
        'what came'
    """

    def __init__(self, size: int) -> None:
        self._began = time.monotonic()
        self._until = self._began + GRACE
        self._received, self._uncounted = 0, size
        self._lock, self._over = Lock(), False
        self._line: socket.socket | None = None

    def run(self, transfer: Callable[[], _Result]) -> _Result:
        """Return what a transfer returns, or raise what it raises.

        It tells of each connection that it opens by `watch`, and of what comes by `received`.

        Raises:
            LateError: its time is up.
        """
        future: Future[_Result] = Future()
        Thread(target=_settle, args=(future, transfer), daemon=True).start()
        try:
            while not future.done():
                left = self._until - time.monotonic()
                if left <= 0:
                    raise self._late()
                wait([future], min(left, _SLICE))
            return future.result()
        finally:
            self._end()

    def received(self, count: int) -> None:
        """Put the deadline off for so many bytes."""
        counted = min(count, self._uncounted)
        self._received += count
        self._uncounted -= counted
        self._until = min(self._until + counted / FLOOR, time.monotonic() + GRACE)

    def watch(self, connection: socket.socket) -> None:
        """Shut a connection when the transfer is over; the one before it is of no interest now.

        Raises:
            LateError: it is over already.
        """
        with self._lock:
            if self._over:
                connection.close()
                raise self._late()
            self._forget()
            # Of its own, since TLS takes the socket itself away before it shakes hands.
            self._line = connection.dup()

    def _end(self) -> None:
        with self._lock:
            self._over = True
            if self._line is not None:
                with suppress(OSError):  # the other side was first
                    self._line.shutdown(socket.SHUT_RDWR)
            self._forget()

    def _forget(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _late(self) -> LateError:
        elapsed = time.monotonic() - self._began
        return LateError(f"it is too slow: {self._received} bytes in {elapsed:.0f} seconds")


def _settle(future: Future[_Result], transfer: Callable[[], _Result]) -> None:
    try:
        future.set_result(transfer())
    except BaseException as error:  # whoever waits gets it
        future.set_exception(error)
