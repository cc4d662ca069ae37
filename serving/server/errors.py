"""One layer for everything that goes wrong, told in the words of the protocol that was used."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import orjson
from starlette.responses import Response

from serving.errors import GenzooError, UsageError
from serving.filters.filters import FilteredError
from serving.runtime.interruption import StoppedError

# Why a request is refused, for the count of refusals.
Reason = Literal["invalid", "unknown", "key", "rate", "full", "loading", "closing", "too_large",
                 "timeout", "cancelled", "failed", "filtered"]  # fmt: skip
# All but that nobody waits any more, which has a count of its own.
REASONS: tuple[Reason, ...] = tuple(each for each in get_args(Reason) if each != "cancelled")
# As the official clients of the completions protocol know them.
_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
RETRY_AFTER = 1  # seconds; what waits is short
CLOSING = "closing"
CLIENT_GONE = 499  # nobody reads it; for the log


class RequestError(GenzooError):
    """A request that is not answered as it was meant.

    Args:
        message: one line: what was wrong, what was expected, what to do.
        status: of HTTP.
        param: the field of the request that is to blame.
        code: one word for programs.
        reason: one word for the count of refusals.
    """

    def __init__(
        self,
        message: str,
        status: int = 400,
        *,
        param: str | None = None,
        code: str | None = None,
        reason: Reason = "invalid",
    ):
        super().__init__(message)
        self.status, self.param, self.code, self.reason = status, param, code, reason


def too_many(what: str) -> RequestError:
    """Return the refusal of a server that has enough to do."""
    return RequestError(
        f"the server is full: {what}; try again later", 503, code="full", reason="full"
    )


def closing() -> RequestError:
    """Return the refusal of a server that was told to stop."""
    return RequestError(
        "the server is closing; ask another one", 503, code=CLOSING, reason="closing"
    )


def too_late() -> RequestError:
    """Return the refusal of a request whose time is over."""
    message = "the request took longer than it may; ask for less"
    return RequestError(message, 504, code="timeout", reason="timeout")


def no_route(status: int, method: str) -> RequestError:
    """Return the refusal of who asks for what there is not: 404, or 405 by another method."""
    message = "there is no such path" if status == 404 else f"{method} is not for this path"
    return RequestError(message, status, reason="unknown")


def no_key(given: bool) -> RequestError:
    """Return the refusal of who has no key, or a wrong one."""
    said = "the API key is not known" if given else "this server asks for an API key"
    message = f"{said}; send it as `Authorization: Bearer KEY` or `x-api-key: KEY`"
    return RequestError(message, 401, code="invalid_api_key", reason="key")


def as_refusal(error: Exception) -> RequestError:
    """Return what a client is told of an error; nothing of what it does not know already.

    Example:
        >>> as_refusal(UsageError("n is 0; expected 1")).status
        400
    """
    if isinstance(error, RequestError):
        return error
    if isinstance(error, StoppedError):
        return RequestError(str(error), CLIENT_GONE, reason="cancelled")
    if isinstance(error, FilteredError):
        return RequestError(str(error), 400, code="content_filter", reason="filtered")
    if isinstance(error, UsageError):
        return RequestError(str(error), 400)
    if isinstance(error, GenzooError):
        return RequestError(str(error), 500, code="model_failed", reason="failed")
    if isinstance(error, MemoryError):
        return RequestError("there is not enough memory for this request; ask for less", 503)
    return RequestError("the server made a mistake; its log says which", 500, code="internal",
                   reason="failed")  # fmt: skip


def body(refusal: RequestError, path: str) -> dict[str, Any]:
    """Return what a refusal says to a client that asked for `path`.

    Example:
        >>> body(RequestError("no such model", 404), "/v2/models/x")
        {'error': 'no such model'}
    """
    message = " ".join(str(refusal).split())
    if path.startswith("/v2"):
        return {"error": message}
    default = "server_error" if refusal.status >= 500 else "invalid_request_error"
    kind = _TYPES.get(refusal.status, default)
    told = {"message": message, "type": kind, "param": refusal.param, "code": refusal.code}
    return {"error": told}


def response(
    refusal: RequestError, path: str, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the response that tells a refusal."""
    sent = dict(headers or {})
    if refusal.status in (429, 503):
        sent["retry-after"] = str(RETRY_AFTER)
    if refusal.status == 401:
        sent["www-authenticate"] = "Bearer"
    if refusal.status in (408, 413):
        sent["connection"] = "close"  # what is left of the body is not read
    return Response(
        orjson.dumps(body(refusal, path)), refusal.status, sent, media_type="application/json"
    )
