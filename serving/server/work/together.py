"""Graphs that compute the rows of several requests at once.

Every row of such a graph is computed by itself, and the zoo's graphs give each the same bits
whatever stands beside it, so nobody can tell. Nothing waits for company: while a graph runs,
whatever comes meanwhile is the next batch.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from serving.bundle.records import Interface
from serving.runtime.interruption import Interruption, StoppedError, current, interruptible
from serving.runtime.session import Session
from serving.server.operations import tracing
from serving.server.work.waiting import Ticket, Waiting

Feeds = dict[str, np.ndarray]
# Rows of an execution, its seconds, and what each of those that it was for is traced as.
Told = Callable[[int, float, Sequence[Any]], None]


@dataclass(eq=False)
class _Run:
    """A run that one thread waits for."""

    outputs: list[str]
    feeds: Feeds
    wanted: Interruption
    results: list[np.ndarray] | None = None
    error: Exception | None = None
    trace: Any = field(default_factory=tracing.current)

    @property
    def rows(self) -> int:
        return max((len(each) for each in self.feeds.values() if each.ndim), default=1)

    @property
    def kind(self) -> tuple[object, ...]:
        """What runs must have in common to be one."""
        arrays = sorted(
            (name, str(each.dtype), each.shape[1:]) for name, each in self.feeds.items()
        )
        return (*self.outputs, *arrays)


def by_rows(interface: Interface) -> bool:
    """Say whether a graph computes rows, all of one size: only the first axis is free."""
    ports = [*interface.inputs, *interface.outputs]
    first = {port.axes[0] if port.axes else 0 for port in ports}
    sizes = (size for port in ports for size in port.axes[1:])
    named = all(isinstance(axis, str) for axis in first)
    return len(first) == 1 and named and all(isinstance(size, int) for size in sizes)


class Together:
    """Takes the place of a session, for many threads; one of those that wait runs for all.

    Args:
        session: of a graph that is `by_rows`.
        most: rows of one execution; a run of more has one of its own.
        told: is called after each.

    Example:
        >>> class Doubling:
        ...     def run(self, outputs, feeds):
        ...         return [2 * feeds["x"]]
        >>> Together(Doubling(), 8).run(["y"], {"x": np.ones((1, 2))})
        [array([[2., 2.]])]
    """

    def __init__(self, session: Session, most: int, told: Told = lambda *_: None):
        self._session, self._most, self._told = session, most, told
        self._changed = threading.Condition()
        self._waiting: Waiting[_Run] = Waiting()
        self._running: Sequence[_Run] = ()
        self._halt = Interruption()  # of what runs

    def __len__(self) -> int:
        """How many runs wait."""
        return len(self._waiting)

    def run(self, outputs: list[str], feeds: Feeds) -> list[np.ndarray]:
        """Run the graph once, see `Session.run`."""
        wanted = current() or Interruption()
        wanted.check()
        own = _Run(outputs, feeds, wanted)
        ticket = Ticket(own, own.rows, own.kind)
        with self._changed:
            self._waiting.add(ticket)
            with wanted.waking(self._wake):
                while own.results is None and own.error is None:
                    if wanted.stopped and self._waiting.withdraw(ticket):
                        wanted.check()
                    if self._running:
                        self._changed.wait()
                    else:
                        self._run_next()
        if own.error is not None:
            wanted.check()
            raise own.error
        assert own.results is not None
        return own.results

    def _wake(self) -> None:
        with self._changed:
            self._halt_unwanted()
            self._changed.notify_all()

    def _halt_unwanted(self) -> None:
        """End what runs where nobody waits for it any more; that one of several leaves does not."""
        if self._running and all(each.wanted.stopped for each in self._running):
            self._halt.stop(StoppedError("nobody waits for it any more"))

    def _run_next(self) -> None:
        """Run for those that wait longest, while others may come."""
        batch = [ticket.item for ticket in self._waiting.take(self._most)]
        self._running, self._halt = batch, Interruption()
        self._halt_unwanted()
        self._changed.release()
        try:
            with interruptible(self._halt):
                self._compute(batch)
        finally:
            self._changed.acquire()
            self._running = ()
            self._changed.notify_all()

    def _compute(self, batch: Sequence[_Run]) -> None:
        started = time.monotonic()
        first, rows = batch[0], sum(each.rows for each in batch)
        feeds = first.feeds
        if len(batch) > 1:
            feeds = {name: np.concatenate([each.feeds[name] for each in batch]) for name in feeds}
        try:
            results = self._session.run(first.outputs, feeds)
        except Exception as error:
            if len(batch) == 1 or isinstance(error, StoppedError):
                for each in batch:
                    each.error = error
                return
            for each in batch:  # so that nobody suffers from another's request
                self._compute([each])
            return
        self._told(rows, time.monotonic() - started, [each.trace for each in batch])
        begin = 0
        for each in batch:
            each.results = [result[begin : begin + each.rows] for result in results]
            begin += each.rows
