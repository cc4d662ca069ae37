"""`/v1/models`: which models there are."""

from typing import Any

from starlette.responses import Response

from serving.server.exchange import Exchange, json_response, origin
from serving.server.openai import settings
from serving.server.repository import Served


def _record(served: Served, adapter: str | None = None) -> dict[str, Any]:
    return {
        "id": served.name if adapter is None else f"{served.name}:{adapter}",
        "object": "model",
        "created": 0,  # a bundle's bytes do not say when they were made
        "owned_by": "genzoo",
        "task": served.manifest.task,
    }


async def listed(exchange: Exchange) -> Response:
    """List the models."""
    data = [
        _record(served, adapter)
        for served in exchange.server.repository
        for adapter in (None, *served.adapters)
    ]
    return json_response({"object": "list", "data": data})


async def named(exchange: Exchange) -> Response:
    """Give one model."""
    served, adapter = settings.named(exchange.server.repository, exchange.path["model"])
    return json_response(_record(served, adapter), origin(served))


ROUTES = (
    ("GET", "/v1/models", listed),
    ("GET", "/v1/models/{model}", named),
)
