"""The threads of a model: what is computed leaves the event loop, and can be called off.

Threads that each wait for a graph cost more than small graphs do, as they wait for one another's
interpreter. So a thread works for many requests at once: each is a greenlet, which gives way where
it needs a graph, and when all have, the graph computes what they need in one run.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from serving.runtime.interruption import Interruption, StoppedError, interruptible
from serving.server.errors import closing, too_late
from serving.server.work.line import Line
from serving.server.work.together import Crew

Result = TypeVar("Result")


@dataclass(eq=False)
class _Job:
    """A piece of work, where it belongs to, and the future of the event loop that waits for it."""

    work: Callable[[], Any]
    wanted: Interruption
    asked: float
    future: "asyncio.Future[Any]"
    result: Any = None
    error: Exception | None = None
    context: Context = field(default_factory=copy_context)  # of whoever asks, traces included

    def do(self) -> None:
        """Do the work, unless it is not wanted any more."""
        try:
            with interruptible(self.wanted):
                self.wanted.check()
                self.result = self.work()
        except Exception as error:
            self.error = error


class Lane:
    """Threads that work for requests of one model, in the order these came.

    Args:
        threads: that are started when the first work comes.
        together: pieces of work that a thread begins before it ends one.
        rows: that a graph computes at once.
        name: of the model, for whoever looks at the threads.
        told: is called with the seconds that each piece of work has waited.
        most: pieces of work that wait or are being done.

    Attributes:
        line: of those who wait.

    Example:
        >>> async def main():
        ...     lane = Lane(1, 1, 1, "example")
        ...     return await lane.run(lambda: 42, Interruption(), time.monotonic() + 60)
        >>> asyncio.run(main())
        42
    """

    def __init__(
        self,
        threads: int,
        together: int,
        rows: int,
        name: str,
        told: Callable[[float], Any] = lambda seconds: None,
        most: int = 64,
    ):
        self.line = Line(most)
        self._threads, self._together, self._rows, self._name = threads, together, rows, name
        self._told = told
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._begun = self._closed = False

    async def run(
        self, work: Callable[[], Result], wanted: Interruption, deadline: float
    ) -> Result:
        """Return what `work` returns.

        What has not begun when it is cancelled never does; what has, ends at the next graph, and a
        graph that runs for it alone ends in the midst.

        Args:
            work: is called in a thread.
            wanted: stops it.
            deadline: of `time.monotonic`.

        Raises:
            RequestError: it is too late, or too many wait.
        """
        with self.line.enter():
            return await self._run(work, wanted, deadline)

    async def _run(
        self, work: Callable[[], Result], wanted: Interruption, deadline: float
    ) -> Result:
        asked, loop = time.monotonic(), asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._add(_Job(work, wanted, asked, future))
        timer = loop.call_later(deadline - asked, _end, future, wanted)
        try:
            return await future
        except asyncio.CancelledError:
            wanted.stop(StoppedError("nobody waits for it any more"))
            raise
        finally:
            timer.cancel()

    def close(self) -> None:
        """Start nothing more; whoever waits is told so."""
        with self._changed:
            self._closed = True
            left, self._jobs = list(self._jobs), deque()
            self._changed.notify_all()
        for job in left:
            job.error = closing()
        _send(left)

    def _add(self, job: _Job) -> None:
        with self._changed:
            if self._closed:
                raise closing()
            self._jobs.append(job)
            self._changed.notify()
            begins, self._begun = not self._begun, True
        if begins:
            for number in range(self._threads):
                name = f"{self._name}-{number}"
                threading.Thread(target=self._work, name=name, daemon=True).start()

    def _work(self) -> None:
        """Take what waits, and go on with what has begun, until the end."""
        crew, ended = Crew(self._rows), deque[_Job]()
        while True:
            with self._changed:
                while not (self._jobs or len(crew) or self._closed):
                    self._changed.wait()
                if self._closed and not len(crew):
                    return
            # One at a time, so that what waits behind long work goes to another thread.
            while len(crew) < self._together and (job := self._next()) is not None:
                crew.begin(partial(self._begin, job, ended))
            crew.run()
            _send(list(ended))
            ended.clear()

    def _next(self) -> _Job | None:
        with self._changed:
            return self._jobs.popleft() if self._jobs else None

    def _begin(self, job: _Job, ended: deque[_Job]) -> None:
        self._told(time.monotonic() - job.asked)
        # What stops it is set within its context: that of who asks knows of none.
        job.context.run(job.do)
        ended.append(job)


def _end(future: "asyncio.Future[Any]", wanted: Interruption) -> None:
    """End work whose time is over."""
    if not future.done():
        wanted.stop(too_late())
        future.set_exception(too_late())


def _send(jobs: list[_Job]) -> None:
    """Tell the event loop of work that has ended, all at once."""
    if jobs:
        with suppress(RuntimeError):  # the server has ended meanwhile
            jobs[0].future.get_loop().call_soon_threadsafe(_settle, jobs)


def _settle(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is None:
            job.future.set_result(job.result)
        else:
            job.future.set_exception(job.error)
