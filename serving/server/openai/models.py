"""`/v1/models`: which models there are."""

from typing import Any

from starlette.responses import Response

from serving.server.exchange import Exchange, json_response, origin
from serving.server.repository import Served


def _record(served: Served) -> dict[str, Any]:
    return {
        "id": served.name,
        "object": "model",
        "created": 0,  # a bundle's bytes do not say when they were made
        "owned_by": "genzoo",
        "task": served.manifest.task,
    }


async def listed(exchange: Exchange) -> Response:
    """List the models."""
    data = [_record(served) for served in exchange.server.repository]
    return json_response({"object": "list", "data": data})


async def named(exchange: Exchange) -> Response:
    """Give one model."""
    served = exchange.server.repository.known(exchange.path["model"])
    return json_response(_record(served), origin(served))


ROUTES = (
    ("GET", "/v1/models", listed),
    ("GET", "/v1/models/{model}", named),
)
