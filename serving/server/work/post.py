"""The way of news from the thread of a writer to the event loop: those of a moment go together."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Letter = tuple[Callable[..., None], tuple[Any, ...]]


PACE = 0.01  # seconds between two ways; nobody reads more than 100 pieces a second


class Post:
    """Collects calls that the event loop is to make, and takes them there when it is told to.

    To wake a loop costs more than most of what it is woken for, so that is done once for all, and
    no more often than is of use: a small model draws many tokens in a moment.

    Args:
        clock: gives the time in seconds.

    Example:
        >>> async def main():
        ...     post, found = Post(), []
        ...     post.begin()
        ...     post.put(found.append, 1)
        ...     post.put(found.append, 2)
        ...     await asyncio.to_thread(post.send)
        ...     await asyncio.sleep(0)
        ...     return found
        >>> asyncio.run(main())
        [1, 2]
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._sent = clock, -PACE
        self._loop: asyncio.AbstractEventLoop | None = None
        self._letters: list[Letter] = []  # of one thread, which puts and sends

    def begin(self) -> None:
        """Go to the loop that this is called in."""
        self._loop = asyncio.get_running_loop()

    def put(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have the loop call this, once it is sent."""
        self._letters.append((call, arguments))

    def send(self, at_once: bool = True) -> None:
        """Take everything there that was put since the last time.

        Args:
            at_once: whether it is not known that this is called again in a moment; else what comes
                soon after the last time waits for it.
        """
        if not self._letters or self._loop is None:
            return
        now = self._clock()
        if at_once or now - self._sent >= PACE:
            letters, self._letters, self._sent = self._letters, [], now
            with suppress(RuntimeError):  # the server has ended meanwhile
                self._loop.call_soon_threadsafe(_open, letters)


def _open(letters: list[Letter]) -> None:
    for call, arguments in letters:
        call(*arguments)
