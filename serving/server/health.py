"""How the server is: alive, ready, and what it has counted."""

import orjson
from starlette.responses import Response

from serving.server.exchange import Exchange
from serving.server.metrics import CONTENT_TYPE


async def live(exchange: Exchange) -> Response:
    """Say that the server runs."""
    return Response(orjson.dumps({"live": True}), media_type="application/json")


async def ready(exchange: Exchange) -> Response:
    """Say whether requests are answered: 200, or 503 while models are loaded, or at the end."""
    is_ready = exchange.server.ready
    status = 200 if is_ready else 503
    return Response(orjson.dumps({"ready": is_ready}), status, media_type="application/json")


async def metrics(exchange: Exchange) -> Response:
    """Give what was counted to Prometheus."""
    return Response(exchange.server.metrics.text(), headers={"content-type": CONTENT_TYPE})


ROUTES = (
    ("GET", "/v2/health/live", live, False),
    ("GET", "/v2/health/ready", ready, False),
    ("GET", "/metrics", metrics, False),
)
