"""Traces of requests by OpenTelemetry, where it is installed and configured; nothing elsewhere.

Spans are made with its API package alone. Whoever configures its SDK, such as the command
`opentelemetry-instrument`, decides where they go; until then there are none, and they cost nothing.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

try:
    from opentelemetry import propagate, trace

    tracer: Any = trace.get_tracer("genzoo")
except ModuleNotFoundError:
    tracer = None

_ERROR = 500  # of whom it is the server's fault


class NoSpan:
    """What stands for a span where nothing is traced."""

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Say something of it."""

    def end(self) -> None:
        """Say that it is over."""


def _traces() -> bool:
    """Say whether anybody has configured where spans go."""
    if tracer is None:
        return False
    waiting = isinstance(tracer, trace.ProxyTracer)
    return not (waiting and isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider))


@contextmanager
def request(method: str, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Any | None]:
    """Give the span of a request, as part of the trace that its headers name, if they do.

    It is None where nothing is traced.
    """
    if not _traces():
        yield None
        return
    named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
    parent = propagate.extract(named)
    with tracer.start_as_current_span(
        method, parent, kind=trace.SpanKind.SERVER, record_exception=False
    ) as span:
        yield span


def answered(span: Any, route: str, status: int, told: Mapping[str, Any]) -> None:
    """Say what became of a request, in the words of OpenTelemetry's conventions where it has any.

    Args:
        span: of the request.
        route: the pattern of its path.
        status: of its answer.
        told: what else is known of it.
    """
    known = {f"genzoo.{name}": value for name, value in told.items() if value is not None}
    span.set_attributes({"http.route": route, "http.response.status_code": status} | known)
    if status >= _ERROR:
        span.set_status(trace.StatusCode.ERROR)


@contextmanager
def span(name: str, **attributes: Any) -> Iterator[None]:
    """Trace the block as a part of what is traced around it."""
    if not _traces():
        yield
        return
    with tracer.start_as_current_span(name, attributes=_named(attributes)):
        yield


def begin(name: str, **attributes: Any) -> Any:
    """Begin a span, a part of what is traced here, that somebody else will end."""
    if not _traces():
        return NoSpan()
    return tracer.start_span(name, attributes=_named(attributes))


def current() -> Any:
    """Return what is traced here, for `executed`."""
    return trace.get_current_span().get_span_context() if _traces() else None


def executed(name: str, seconds: float, parents: Sequence[Any], **attributes: Any) -> None:
    """Trace what has just been done for several at once: a part of the first, linked to all.

    Args:
        name: of the span.
        seconds: that it took, until now.
        parents: `current()` of each that it was done for.
        attributes: of the span.
    """
    if not _traces():
        return
    known = [each for each in parents if each is not None and each.is_valid]
    first = trace.set_span_in_context(trace.NonRecordingSpan(known[0])) if known else None
    end = time.time_ns()
    made = tracer.start_span(
        name,
        first,
        links=[trace.Link(each) for each in known],
        attributes=_named(attributes),
        start_time=end - int(1e9 * seconds),
    )
    made.end(end)


def _named(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {f"genzoo.{name}": value for name, value in attributes.items()}
