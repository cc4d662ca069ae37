"""Work that somebody else can stop, between two runs of a graph or within one.

Example:
    >>> unwanted = Interruption()
    >>> unwanted.stop(StoppedError("nobody waits for it any more"))
    >>> with interruptible(unwanted):
    ...     check()
    Traceback (most recent call last):
        ...
    serving.runtime.interruption.StoppedError: nobody waits for it any more
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from serving.errors import GenzooError

# Of a thread, and of each greenlet of it.
_current: ContextVar["Interruption | None"] = ContextVar("interruption", default=None)


class StoppedError(GenzooError):
    """The work was stopped by whoever had asked for it."""


class Interruption:
    """Whether some work is still wanted; asked by the thread that works, told by any other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._reason: Exception | None = None
        self._wakes: list[Callable[[], None]] = []

    def stop(self, reason: Exception) -> None:
        """Have the work raise `reason` as soon as it looks; the first reason counts."""
        with self._lock:
            self._reason = self._reason or reason
            wakes = list(self._wakes)
        for wake in wakes:
            wake()

    @property
    def stopped(self) -> bool:
        """Whether the work is not wanted any more."""
        return self._reason is not None

    def check(self) -> None:
        """Raise the reason why the work is not wanted any more, if there is one."""
        if self._reason is not None:
            raise self._reason

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Have `wake` called when the work is stopped meanwhile, or was before.

        It may still be called just after the block.
        """
        with self._lock:
            self._wakes.append(wake)
            stopped = self._reason is not None
        if stopped:
            wake()
        try:
            yield
        finally:
            with self._lock:
                self._wakes.remove(wake)


@contextmanager
def interruptible(interruption: Interruption) -> Iterator[None]:
    """Let what this thread runs in the block be stopped by this, and by nothing else."""
    token = _current.set(interruption)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Interruption | None:
    """Return what can stop this thread's work, if anything can."""
    return _current.get()


def check() -> None:
    """Raise where this thread's work is not wanted any more."""
    interruption = current()
    if interruption is not None:
        interruption.check()
