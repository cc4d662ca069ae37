"""Who may wait for the threads of a model: bursts may, and in a lasting overload only a few.

Where more is asked than can be done, a long line helps nobody: as much is answered with a short
one, and sooner. Yet a line that is always short would refuse clients that come together and then
wait. So it may be long until a third of those who come find it full, and is kept short for as long
as a third are refused.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from serving.server.errors import too_many

SHORT = 8  # times shorter in an overload; twice what waits, but for 1%, at 0.8 of what can be done
PERIOD = 0.25  # seconds, after which is seen how many were refused
MANY = 1 / 3  # of those who came, in an overload


class Line:
    """The requests that wait for the threads of a model, or that these work for.

    Belongs to the event loop.

    Args:
        most: requests.
        clock: gives the time in seconds.

    Example:
        >>> line = Line(1)
        >>> with line.enter(), line.enter():
        ...     pass
        Traceback (most recent call last):
            ...
        serving.server.errors.RequestError: the server is full: 1 requests wait for this model; \
try again later
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most, self._clock = most, clock
        self._here, self._coming, self._overloaded = 0, 0, False
        self._begun, self._let_in, self._refused = clock(), 0, 0  # this period

    def __len__(self) -> int:
        """How many are here."""
        return self._here

    def announce(self) -> None:
        """Count who is on the way here, until the event loop has begun with it.

        Many may come before the loop begins with the first.

        Raises:
            RequestError: there are too many.
        """
        self.check(self._coming)
        self._coming += 1
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._begin)  # in the turn after that which it begins in

    def _begin(self) -> None:
        self._coming -= 1

    def check(self, coming: int = 0) -> None:
        """Refuse whoever comes now, if there are too many.

        Args:
            coming: so many more are taken to be here.

        Raises:
            RequestError: there are.
        """
        now = self._clock()
        if now - self._begun >= PERIOD:
            self._overloaded = self._refused > MANY * (self._refused + self._let_in)
            self._begun, self._let_in, self._refused = now, 0, 0
        most = max(1, self._most // SHORT) if self._overloaded else self._most
        if self._here + coming >= most:
            self._refused += 1
            raise too_many(f"{self._here} requests wait for this model")

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Let a request in for the time of the block.

        Raises:
            RequestError: there are too many.
        """
        self.check()
        self._let_in += 1
        self._here += 1
        try:
            yield
        finally:
            self._here -= 1
