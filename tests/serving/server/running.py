"""A server in a thread of the test's process, on a port of its own."""

import asyncio
import threading
import time
from contextlib import contextmanager

from serving.server.application import Server
from serving.server.limits import Limits
from serving.server.repository import Repository
from serving.server.running import Runner


class Running:
    """A server that answers.

    Attributes:
        server, runner: as they are.
        address: host and port, as clients take them.
        url: the same with its scheme.
        loop: that it runs in.
    """

    def __init__(
        self,
        sources,
        prefix="",
        options=None,
        certificate=None,
        filters=(),
        adapters=None,
        **limits,
    ):
        models = Repository(sources, adapters, device="cpu", threads=1, filters=filters)
        self.server = Server(models, Limits(**limits), prefix, **options or {})
        self.runner = Runner(self.server, "127.0.0.1", 0, certificate)
        self.scheme = "http" if certificate is None else "https"
        self.thread = threading.Thread(target=asyncio.run, args=(self._serve(),))

    async def _serve(self):
        self.loop = asyncio.get_running_loop()
        await self.runner.serve()

    def start(self):
        self.thread.start()
        while not (self.runner.started and self.server.ready):
            assert self.thread.is_alive() and self.server.failed is None, self.server.failed
            time.sleep(0.01)
        self.address = "{}:{}".format(*self.runner.address)
        self.url = f"{self.scheme}://{self.address}"

    def settle(self):
        """Wait until nothing of any request is left."""
        admission, bodies, by = self.server.admission, self.server.bodies, time.monotonic() + 30
        while len(admission) or admission.rows_here or bodies.held:
            assert time.monotonic() < by, (len(admission), admission.rows_here, bodies.held)
            time.sleep(0.01)

    def stop(self):
        self.runner.close()
        self.thread.join(timeout=60)
        assert not self.thread.is_alive()


@contextmanager
def running(sources, **limits):
    """Give a server of some models, with other limits than usual."""
    found = Running([str(source) for source in sources], **limits)
    found.start()
    try:
        yield found
    finally:
        found.stop()
