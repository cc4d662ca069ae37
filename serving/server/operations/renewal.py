"""What a running server takes anew: its models, keys and certificates.

What is new is taken once it is whole: a model once it is warm, and until then the old one answers.
What is broken is not taken, and the log says why.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.errors import GenzooError
from serving.server.errors import RequestError, as_refusal, closing
from serving.server.operations.keys import read_keys
from serving.server.repository import UNLOADED, Served

if TYPE_CHECKING:
    from serving.server.application import Server

log = logging.getLogger("serving.server")


class Renewal:
    """Loads and unloads the models of a server, one after the other.

    Args:
        server: whose they are.
        keys: the file of its keys.

    Attributes:
        certificates: reads those of the server again, where it has any.
    """

    def __init__(self, server: "Server", keys: str | Path | None = None) -> None:
        self._server, self._keys = server, keys
        self._one = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._retired: set[Served] = set()
        self.certificates: Callable[[], None] | None = None

    async def everything(self) -> None:
        """Take everything anew that has changed; what cannot be is told to the log.

        A model that was unloaded stays so, until somebody loads it.
        """
        if self._keys is not None:
            self._take("keys", self._take_keys)
        if self.certificates is not None:
            self._take("certificates", self.certificates)
        for name, state in self._server.repository.states().items():
            if state != UNLOADED:
                with suppress(GenzooError):  # which the log tells
                    await self.load(name)

    async def load(self, name: str) -> None:
        """Load a model from where it was first loaded; the old one serves until it is warm.

        Whoever asks may leave, and it is loaded all the same.

        Raises:
            RequestError: there is none of that name, or it cannot be loaded, and why.
        """
        self._server.repository.source(name)
        if self._server.repository.states()[name] == "LOADING":
            self._server.repository.get(name, None)
        await asyncio.shield(self._begin(self._load(name)))

    async def unload(self, name: str) -> None:
        """Serve a model no more, once those who asked for it have their answers.

        Raises:
            RequestError: there is none of that name, or it is still being loaded.
        """
        async with self._one:
            self._server.repository.get(name, None)
            self._retire(self._server.repository.remove(name))
        self._tell(name, "unloaded")

    def close(self) -> None:
        """Begin nothing more, and close what waits to be."""
        for task in self._tasks:
            task.cancel()
        for served in self._retired:
            served.close()

    async def _load(self, name: str) -> None:
        server, repository = self._server, self._server.repository
        async with self._one:
            if server.admission.closing:
                raise closing()
            try:
                fresh = await asyncio.to_thread(
                    repository.renewed, name, server.limits, server.metrics
                )
            except Exception as error:
                refusal = as_refusal(error)
                reason = str(refusal)
                if refusal.code == "internal":
                    reason = f"{type(error).__name__}: {error}"
                repository.told[name] = reason
                self._tell(name, "failed", reason)
                raise RequestError(f"{name} is not loaded: {reason}", reason="failed") from None
            repository.told.pop(name, None)
            if fresh is None:
                self._tell(name, "unchanged")
                return
            self._retire(repository.put(fresh))
        self._tell(name, "loaded")

    def _retire(self, old: Served | None) -> None:
        """Close a model when all requests that are here now, which may ask it, are answered."""
        if old is not None:
            self._retired.add(old)
            self._begin(self._close(old))

    async def _close(self, old: Served) -> None:
        await self._server.admission.gone()
        self._retired.discard(old)
        await asyncio.to_thread(old.forget)
        log.info("closed", extra={"model": old.name, "hash": old.hash})

    def _begin(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _take_keys(self) -> None:
        assert self._keys is not None
        self._server.keys = read_keys(self._keys)

    def _take(self, what: str, take: Callable[[], None]) -> None:
        try:
            take()
        except (GenzooError, OSError) as error:
            log.error("not renewed", extra={"what": what, "why": str(error)})
        else:
            log.info("renewed", extra={"what": what})

    def _tell(self, name: str, outcome: str, why: str = "") -> None:
        self._server.metrics.loads.labels(name, outcome).inc()
        fields = {"model": name, "outcome": outcome} | ({"why": why} if why else {})
        if why:
            log.error("not renewed", extra=fields)
        else:
            log.info("renewed", extra=fields)
