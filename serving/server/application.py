"""The application: routes, and what they share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from serving.making import Marks
from serving.server import calls, description, health
from serving.server.bodies import Bodies
from serving.server.exchange import Endpoint, Handler, Surrounding
from serving.server.inference.routes import Protocol
from serving.server.limits import Limits
from serving.server.metrics import Metrics
from serving.server.openai import chat, completions, images, models
from serving.server.operations.keys import read_keys
from serving.server.operations.renewal import Renewal
from serving.server.page import routes as page
from serving.server.repository import Repository
from serving.server.work.admission import Admission
from serving.server.work.shedding import Shedding

# They are tried in this order, so what is asked for most comes first.
ROUTES: tuple[Any, ...] = (
    *calls.ROUTES,
    *completions.ROUTES,
    *chat.ROUTES,
    *images.ROUTES,
    *health.ROUTES,
    *models.ROUTES,
    *description.ROUTES,
    *page.ROUTES,
)
# What anybody may ask for who has no key: how the server is, and the page that asks for the key.
OPEN = ("/", "/page/{file}", "/v2/health/live", "/v2/health/ready")
_MARKS = Marks()


class Server:
    """What all routes share.

    Args:
        repository: the models.
        limits: what is taken on.
        prefix: a path under which everything is as well, such as a proxy may put before ours.
        keys: a file of keys, of which requests must give one; None where anybody may ask.
        open_metrics: whether `/metrics` needs no key.
        model_control: whether clients may load and unload models.
        marks: puts into files what made them; None for files without.

    Attributes:
        keys: what the file says.
        open: the routes that need no key.
        renewal: takes models and keys anew.
        shedding: turns away who asks a model that is full.
        failed: why the models cannot be loaded, if they cannot.
    """

    def __init__(
        self,
        repository: Repository,
        limits: Limits | None = None,
        prefix: str = "",
        keys: str | Path | None = None,
        open_metrics: bool = False,
        model_control: bool = False,
        marks: Marks | None = _MARKS,
    ) -> None:
        self.prefix = f"/{prefix.strip('/')}" if prefix.strip("/") else ""
        self.repository, self.limits = repository, limits or Limits()
        self.marks = marks
        self.keys = None if keys is None else read_keys(keys)
        self.open = {*OPEN, *(["/metrics"] if open_metrics else [])}
        self.model_control, self.renewal = model_control, Renewal(self, keys)
        self.metrics = Metrics()
        self.admission = Admission(self.limits, self.metrics)
        self.bodies = Bodies(self.limits)
        self.shedding = Shedding(repository.line_of, self.metrics)
        self.failed: Exception | None = None
        Image.MAX_IMAGE_PIXELS = self.limits.pixels  # of pictures that somebody sends

    @property
    def ready(self) -> bool:
        """Whether requests are answered: every model is warm, and the server does not close."""
        return self.repository.ready and not self.admission.closing

    def application(self) -> Starlette:
        """Return it as an ASGI application, which loads the models when it is started."""
        routes = (*ROUTES, *Protocol(self.repository).routes())
        own = [self._route(*each) for each in routes]
        every = [*own, *self._prefixed(own)] if self.prefix else own
        application = Starlette(routes=every, lifespan=self._lifespan)
        # In the place of Starlette's own layers, as it leaves no error to them.
        application.middleware_stack = Surrounding(application.router, self)
        return application

    def _prefixed(self, routes: list[Route]) -> list[BaseRoute]:
        """Return the same routes under the prefix, whose page is at the one that ends in `/`."""
        return [Mount(self.prefix, routes=routes), Route(self.prefix, self._page)]

    async def _page(self, request: Request) -> Response:
        # From here, whatever the host is called before the proxy.
        there = f"{self.prefix.rpartition('/')[2]}/"
        return Response(status_code=307, headers={"location": there})

    def _route(
        self,
        method: str,
        path: str,
        handler: Handler,
        admitted: bool = True,
        computes: bool = False,
    ) -> Route:
        endpoint = Endpoint(self, path, handler, admitted=admitted, computes=computes)
        if computes:
            self.shedding.add(path, self.prefix)
        return Route(path, endpoint, methods=[method])

    @asynccontextmanager
    async def _lifespan(self, app: Starlette) -> AsyncIterator[None]:
        loading = asyncio.create_task(asyncio.to_thread(self._load))
        try:
            yield
        finally:
            self.renewal.close()
            self.repository.close()
            loading.cancel()

    def load(self) -> None:
        """Load the models, where requests come only when that is done.

        Raises:
            GenzooError: one cannot be loaded.
        """
        self.repository.load(self.limits, self.metrics)

    def _load(self) -> None:
        try:
            self.load()
        except Exception as error:
            self.failed = error
