"""Clients that go away: what is made for one ends when it does."""

import asyncio

from starlette.types import Receive

from serving.errors import GenzooError
from serving.runtime.interruption import Interruption, StoppedError


class UnlessGone:
    """Ends its block where the client goes away, or reads its answer too slowly.

    Args:
        receive: of ASGI; what comes by it is of no interest any more.
        wanted: is stopped as well.
        most: seconds.
    """

    def __init__(self, receive: Receive, wanted: Interruption, most: float) -> None:
        self._receive, self._wanted, self._most = receive, wanted, most
        self._reason: StoppedError | None = None

    async def __aenter__(self) -> None:
        loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        self._gone = loop.create_task(_disconnected(self._receive))
        self._gone.add_done_callback(self._leave)
        self._timer = loop.call_later(self._most, self._stop, "the client does not read its answer")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        self._timer.cancel()
        self._gone.cancel()
        if self._reason is None:
            return
        assert self._task is not None
        others = self._task.uncancel()  # that want the task to end as well
        if not others and (
            error is None or isinstance(error, asyncio.CancelledError | GenzooError)
        ):
            raise self._reason from None

    def _leave(self, gone: "asyncio.Task[None]") -> None:
        if not gone.cancelled():
            self._stop("the client went away")

    def _stop(self, why: str) -> None:
        if self._reason is None and self._task is not None:
            self._reason = StoppedError(why)
            self._wanted.stop(self._reason)
            self._task.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
