"""Who may come in: bounds counted when a request is accepted, so that who is in is also served."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from serving.runtime.interruption import Interruption
from serving.server.errors import RequestError, closing, too_many
from serving.server.limits import Limits
from serving.server.metrics import Metrics


class Admission:
    """Counts the requests that are here, and their rows. Belongs to the event loop.

    Attributes:
        rows_here: of all requests that are here.
        closing: whether nobody is let in any more.

    Example:
        >>> admission = Admission(Limits(requests=1), Metrics())
        >>> with admission.enter("somebody"), admission.enter("another"):
        ...     pass
        Traceback (most recent call last):
            ...
        serving.server.errors.RequestError: the server is full: it has 1 requests; try again later
    """

    def __init__(self, limits: Limits, metrics: Metrics) -> None:
        self._limits, self._metrics = limits, metrics
        self._of: Counter[str] = Counter()
        self._here: set[Interruption] = set()
        self.rows_here = 0
        self.closing = False

    def __len__(self) -> int:
        """How many requests are here."""
        return len(self._here)

    @contextmanager
    def enter(self, client: str, most: int | None = None) -> Iterator[Interruption]:
        """Let a request in for the time of the block, and give what can stop its work.

        Args:
            client: who asks.
            most: requests of this client at once; None for the bound of everybody.

        Raises:
            RequestError: there are too many, of this client or of all.
        """
        limits = self._limits
        if self.closing:
            raise closing()
        most = most or limits.requests_of_one
        if most is not None and self._of[client] >= most:
            raise RequestError(
                f"{most} requests of yours are here already; wait for one",
                429,
                code="rate_limit_exceeded",
                reason="rate",
            )
        if len(self._here) >= limits.requests:
            raise too_many(f"it has {len(self._here)} requests")
        wanted = Interruption()
        self._here.add(wanted)
        self._of[client] += 1
        self._metrics.here.set(len(self._here))
        try:
            yield wanted
        finally:
            self._here.discard(wanted)
            self._of[client] -= 1
            if not self._of[client]:
                del self._of[client]
            self._metrics.here.set(len(self._here))

    @contextmanager
    def rows(self, rows: int) -> Iterator[None]:
        """Count what a request asks for, for the time of the block.

        Raises:
            RequestError: it is more than one may ask for, or than there is room for now.
        """
        if rows > self._limits.rows:
            raise RequestError(
                f"{rows} rows are asked for, {self._limits.rows} at most; ask for fewer"
            )
        if self.rows_here + rows > self._limits.rows_held:
            raise too_many(f"{self.rows_here} rows are being made")
        self.rows_here += rows
        self._metrics.rows_here.set(self.rows_here)
        try:
            yield
        finally:
            self.rows_here -= rows
            self._metrics.rows_here.set(self.rows_here)

    async def gone(self) -> None:
        """Wait until all requests that are here now have left."""
        those = set(self._here)
        while those & self._here:
            await asyncio.sleep(0.05)

    def stop_all(self) -> None:
        """Stop the work of whoever is still here."""
        for wanted in list(self._here):
            wanted.stop(closing())
