"""The way of news from the thread of a writer to the event loop: those of a turn go together."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

Letter = tuple[Callable[..., None], tuple[Any, ...]]


class Post:
    """Collects calls that the event loop is to make, and takes them there when it is told to.

    To wake a loop costs more than most of what it is woken for, so that is done once for all.

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

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._letters: list[Letter] = []  # of one thread, which puts and sends

    def begin(self) -> None:
        """Go to the loop that this is called in."""
        self._loop = asyncio.get_running_loop()

    def put(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have the loop call this, once `send` was called."""
        self._letters.append((call, arguments))

    def send(self) -> None:
        """Take everything there that was put since the last time."""
        if self._letters and self._loop is not None:
            letters, self._letters = self._letters, []
            with suppress(RuntimeError):  # the server has ended meanwhile
                self._loop.call_soon_threadsafe(_open, letters)


def _open(letters: list[Letter]) -> None:
    for call, arguments in letters:
        call(*arguments)
