"""What one run of a template may cost, in time and in memory."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

SECONDS = 1.0  # of this thread's work; real templates take milliseconds
MOST_MADE = 2**26  # characters, in all texts that are made on the way
MOST_BITS = 4096  # of a whole number


class CostError(Exception):
    """A template costs more than it may."""


class Budget:
    """What a template may still cost.

    Args:
        seconds: of work.
        made: characters of all texts that it makes, an item of a list counting for eight.
    """

    def __init__(self, seconds: float = SECONDS, made: int = MOST_MADE):
        self._end, self._seconds = time.thread_time() + seconds, seconds
        self._left, self._made = made, made

    def make(self, characters: int) -> None:
        """Count texts that are about to be made, and the time so far.

        Raises:
            CostError: there is no more of either.
        """
        self._left -= characters
        if self._left < 0:
            raise CostError(f"it makes texts of more than {self._made} characters")
        if time.thread_time() > self._end:
            raise CostError(f"it takes longer than {self._seconds:g} s")

    def look(self, value: Any) -> int:
        """Return the characters of all texts in a value, after looking at all that is in it.

        What is nested, and holds the same things again and again, takes as long as it seems large.
        """
        if isinstance(value, str):
            return len(value)
        self.make(0)
        if isinstance(value, Mapping):
            return 2 + sum(self.look(key) + self.look(each) for key, each in value.items())
        if isinstance(value, list | tuple):
            return 2 + sum(map(self.look, value))
        return 8


_BUDGET: ContextVar[Budget] = ContextVar("budget")


def budget() -> Budget:
    """Return what the template that runs here may still cost."""
    return _BUDGET.get()


@contextmanager
def spending(limit: Budget) -> Iterator[None]:
    """Let a template run on a budget."""
    token = _BUDGET.set(limit)
    try:
        yield
    finally:
        _BUDGET.reset(token)
