"""`/v2/repository`: which models there are, and the extension that loads and unloads them."""

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from serving.numbers import shown
from serving.server.bodies import parsed_object
from serving.server.errors import RequestError
from serving.server.exchange import Exchange, Way, json_response
from serving.server.inference.models import VERSION
from serving.server.repository import UNLOADED

if TYPE_CHECKING:
    from serving.server.inference.routes import Protocol


def routes(protocol: "Protocol") -> list[Way]:
    """Return the routes of a server's protocol."""

    async def index(exchange: Exchange) -> Response:
        """List the parts of every model, and models that were unloaded."""
        ready = _read(exchange, ("ready",)).get("ready", False)
        if not isinstance(ready, bool):
            raise RequestError(f"ready is {shown(ready)}; expected true or false", param="ready")
        repository = exchange.server.repository
        states, told = repository.states(), repository.told
        owners = {name: each.served.name for name, each in protocol.models.items()}
        owners |= {name: name for name, state in states.items() if state == UNLOADED}
        rows = [
            {"name": name, "version": VERSION, "state": states[owner], "reason": _reason(
                states[owner], told.get(owner, ""))}
            for name, owner in owners.items()
        ]  # fmt: skip
        return json_response([row for row in rows if not ready or row["state"] == "READY"])

    return [
        ("POST", "/v2/repository/index", index, True),
        ("POST", "/v2/repository/models/{model}/load", loaded, True),
        ("POST", "/v2/repository/models/{model}/unload", unloaded, True),
    ]


async def loaded(exchange: Exchange) -> Response:
    """Load a model again, or anew; it was named when the server was started."""
    _check_allowed(exchange)
    parameters = _read(exchange, ("parameters",)).get("parameters", {})
    for name in parameters if isinstance(parameters, dict) else ["parameters"]:
        raise RequestError(
            f"{name:.80} is not supported: a model is loaded from its own place; leave it out"
        )
    await exchange.server.renewal.load(exchange.path["model"])
    return json_response({})


async def unloaded(exchange: Exchange) -> Response:
    """Serve a model no more."""
    _check_allowed(exchange)
    parameters = _read(exchange, ("parameters",)).get("parameters", {})
    # No model depends on another here, so that both values mean the same.
    if not isinstance(parameters, dict) or parameters.keys() - {"unload_dependents"}:
        raise RequestError("the one parameter of unload is unload_dependents; leave others out")
    await exchange.server.renewal.unload(exchange.path["model"])
    return json_response({})


def _reason(state: str, told: str) -> str:
    if told:
        return f"not loaded again: {told}" if state == "READY" else told
    return "unloaded" if state == UNLOADED else ""


def _check_allowed(exchange: Exchange) -> None:
    if not exchange.server.model_control:
        raise RequestError(
            "clients do not load and unload models here; start it with --model-control, or send "
            "it SIGHUP", 403,
        )  # fmt: skip
    key = exchange.key
    if key is not None and not key.operator:
        raise RequestError(f"the key '{key.name}' may not load and unload models", 403)


def _read(exchange: Exchange, known: tuple[str, ...]) -> dict[str, Any]:
    document = parsed_object(exchange.data, exchange.server.limits)
    for name in document.keys() - set(known):
        raise RequestError(f"'{name:.80}' is not known here; expected {', '.join(known)}")
    return document
