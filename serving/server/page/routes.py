"""The files of the page, and what a browser may do with them.

The page is plain files: no build, nothing of another host. Every address in it is relative, so that
it works under whatever path a proxy puts before it.
"""

from functools import cache
from importlib.resources import files

from starlette.responses import Response

from serving.server.errors import RequestError
from serving.server.exchange import Exchange

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# The page's own scripts and styles, pictures and sounds out of answers, and this server.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}


async def opened(exchange: Exchange) -> Response:
    """Give the page."""
    return _response("index.html")


async def part(exchange: Exchange) -> Response:
    """Give a file that the page is made of."""
    return _response(exchange.path["file"])


def _response(name: str) -> Response:
    found = _files()
    if name not in found:
        raise RequestError("there is no such path", 404, reason="unknown")
    data, kind = found[name]
    return Response(data, headers=_HEADERS, media_type=kind)


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """Return every file of the page by name, and its type."""
    inside = (each for each in files(__package__).iterdir() if each.is_file())
    kinds = ((each, _KINDS.get(f".{each.name.rpartition('.')[2]}")) for each in inside)
    return {each.name: (each.read_bytes(), kind) for each, kind in kinds if kind}


ROUTES = (
    ("GET", "/", opened, False),
    ("GET", "/page/{file}", part, False),
)
