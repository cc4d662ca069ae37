"""The threads of a model: what is computed leaves the event loop, and can be called off."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from serving.runtime.interruption import Interruption, StoppedError, interruptible
from serving.server.errors import too_late

Result = TypeVar("Result")


class Lane:
    """Threads that work for requests of one model, in the order these came.

    Args:
        threads: at most; a thread is started when it is first needed.
        name: of the model, for whoever looks at the threads.
        told: is called with the seconds that each piece of work has waited.

    Example:
        >>> async def main():
        ...     lane = Lane(1, "example")
        ...     return await lane.run(lambda: 42, Interruption(), time.monotonic() + 60)
        >>> asyncio.run(main())
        42
    """

    def __init__(
        self, threads: int, name: str, told: Callable[[float], None] = lambda seconds: None
    ):
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._told = told

    async def run(
        self, work: Callable[[], Result], wanted: Interruption, deadline: float
    ) -> Result:
        """Return what `work` returns.

        What has not begun when it is cancelled never does; what has, ends at the next graph.

        Args:
            work: is called in a thread.
            wanted: stops it.
            deadline: of `time.monotonic`.

        Raises:
            RequestError: it is too late.
        """
        asked = time.monotonic()

        def begin() -> Result:
            self._told(time.monotonic() - asked)
            with interruptible(wanted):
                wanted.check()
                return work()

        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(loop.time() + deadline - asked):
                return await loop.run_in_executor(self._pool, begin)
        except TimeoutError:
            wanted.stop(too_late())
            raise too_late() from None
        except asyncio.CancelledError:
            wanted.stop(StoppedError("nobody waits for it any more"))
            raise

    def close(self) -> None:
        """Start nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
