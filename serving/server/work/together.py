"""Graphs that compute the rows of several requests at once.

Every row of such a graph is computed by itself, and the zoo's graphs give each the same bits
whatever stands beside it, so nobody can tell. Nothing waits for company: while a graph runs,
whatever comes meanwhile is the next batch.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from greenlet import getcurrent, greenlet

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
    """A run that a greenlet waits for, if it is in one."""

    graph: "Together"
    outputs: list[str]
    feeds: Feeds
    wanted: Interruption
    results: list[np.ndarray] | None = None
    error: Exception | None = None
    waiting: "_Member | None" = None
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
        return (id(self.graph), *self.outputs, *arrays)


def by_rows(interface: Interface) -> bool:
    """Say whether a graph computes rows, all of one size: only the first axis is free."""
    ports = [*interface.inputs, *interface.outputs]
    first = {port.axes[0] if port.axes else 0 for port in ports}
    sizes = (size for port in ports for size in port.axes[1:])
    named = all(isinstance(axis, str) for axis in first)
    return len(first) == 1 and named and all(isinstance(size, int) for size in sizes)


class Together:
    """Takes the place of a session, for all members of a crew; the others use it as one.

    Args:
        session: of a graph that is `by_rows`.
        told: is called after each run.

    Example:
        >>> class Doubling:
        ...     def run(self, outputs, feeds):
        ...         return [2 * feeds["x"]]
        >>> Together(Doubling()).run(["y"], {"x": np.ones((1, 2))})
        [array([[2., 2.]])]
    """

    def __init__(self, session: Session, told: Told = lambda *_: None):
        self._session, self._told = session, told

    def run(self, outputs: list[str], feeds: Feeds) -> list[np.ndarray]:
        """Run the graph once, see `Session.run`."""
        wanted = current() or Interruption()
        wanted.check()
        own, member = _Run(self, outputs, feeds, wanted), getcurrent()
        if isinstance(member, _Member):
            own.waiting = member
            member.parent.switch(own)  # until it has run
        else:
            self.compute([own])
        if own.error is not None:
            wanted.check()
            raise own.error
        assert own.results is not None
        return own.results

    def compute(self, batch: Sequence[_Run]) -> None:
        """Run the graph for all of a batch; it is ended in the midst where nobody is left of it."""
        halt = Interruption()

        def look() -> None:
            if all(each.wanted.stopped for each in batch):
                halt.stop(StoppedError("nobody waits for it any more"))

        with ExitStack() as stack:
            for each in batch:
                stack.enter_context(each.wanted.waking(look))
            stack.enter_context(interruptible(halt))
            self._compute(batch)

    def _compute(self, batch: Sequence[_Run]) -> None:
        started = time.monotonic()
        first, rows = batch[0], sum(each.rows for each in batch)
        feeds = first.feeds
        try:
            if len(batch) > 1:
                feeds = {name: np.concatenate([each.feeds[name] for each in batch])
                         for name in feeds}  # fmt: skip
            results = self._session.run(first.outputs, feeds)
            self._told(rows, time.monotonic() - started, [each.trace for each in batch])
        except Exception as error:
            if len(batch) == 1 or isinstance(error, StoppedError):
                for each in batch:
                    each.error = error
                return
            for each in batch:  # so that nobody suffers from another's request
                self._compute([each])
            return
        begin = 0
        for each in batch:
            each.results = [result[begin : begin + each.rows] for result in results]
            begin += each.rows


class _Member(greenlet):  # type: ignore[misc]  # it has no types
    """Work that gives way where it needs a graph."""


class Crew:
    """Work of one thread that is done together: whenever all of it waits for graphs, one is run.

    Args:
        most: rows of one run; a run of more has one of its own.

    Example:
        >>> class Doubling:
        ...     def run(self, outputs, feeds):
        ...         return [2 * feeds["x"]]
        >>> graph = Together(Doubling(), lambda rows, *_: print(rows, "rows"))
        >>> crew, found = Crew(8), []
        >>> for value in (1, 2):
        ...     x = np.full((1, 1), value)
        ...     crew.begin(lambda x=x: found.extend(graph.run(["y"], {"x": x})))
        >>> crew.run()
        2 rows
        >>> found
        [array([[2]]), array([[4]])]
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: Waiting[_Run] = Waiting()

    def __len__(self) -> int:
        """How much work waits for a graph."""
        return len(self._waiting)

    def begin(self, work: Callable[[], object]) -> None:
        """Do work until it waits for a graph, or ends; it raises nothing."""
        self._go_on(_Member(work))

    def run(self) -> None:
        """Run a graph for those that wait longest, and go on with these."""
        for ticket in self._waiting.unwanted(lambda run: run.wanted.stopped):
            ticket.item.error = StoppedError("nobody waits for it any more")
            self._go_on(ticket.item.waiting)
        batch = [ticket.item for ticket in self._waiting.take(self._most)]
        if batch:
            batch[0].graph.compute(batch)
        for each in batch:
            self._go_on(each.waiting)

    def _go_on(self, member: _Member | None) -> None:
        assert member is not None
        run = member.switch()
        if not member.dead:
            self._waiting.add(Ticket(run, run.rows, run.kind))
