"""The application: routes, and what they share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from serving.making import Marks
from serving.server import calls, description, errors, health
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

ROUTES: tuple[Any, ...] = (
    *page.ROUTES,
    *health.ROUTES,
    *calls.ROUTES,
    *description.ROUTES,
    *models.ROUTES,
    *completions.ROUTES,
    *chat.ROUTES,
    *images.ROUTES,
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
        return Starlette(
            routes=[*own, *self._prefixed(own)] if self.prefix else own,
            middleware=[Middleware(Surrounding, server=self)],
            exception_handlers={HTTPException: _unknown},
            lifespan=self._lifespan,
        )

    def _prefixed(self, routes: list[Route]) -> list[BaseRoute]:
        """Return the same routes under the prefix, whose page is at the one that ends in `/`."""
        return [Mount(self.prefix, routes=routes), Route(self.prefix, self._page)]

    async def _page(self, request: Request) -> Response:
        # From here, whatever the host is called before the proxy.
        there = f"{self.prefix.rpartition('/')[2]}/"
        return Response(status_code=307, headers={"location": there})

    def _route(self, method: str, path: str, handler: Handler, admitted: bool = True) -> Route:
        return Route(path, Endpoint(self, path, handler, admitted=admitted), methods=[method])

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


async def _unknown(request: Request, error: Exception) -> Response:
    """Answer who asks for what there is not."""
    assert isinstance(error, HTTPException)
    words = {404: "there is no such path", 405: f"{request.method} is not for this path"}
    message = words.get(error.status_code, error.detail)
    refusal = errors.RequestError(message, error.status_code, reason="unknown")
    told = request.scope["state"]["told"]
    told.refusal = refusal
    return errors.response(refusal, told.path, error.headers)
