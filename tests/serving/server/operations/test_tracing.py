"""Traces: a span for each request, for what it waits, and for each run of a graph."""

import asyncio
import subprocess
import sys

import httpx
import pytest

from serving.server.operations import tracing
from tests.serving.server.running import running

sdk = pytest.importorskip("opentelemetry.sdk.trace", reason="opentelemetry-sdk is not installed")
from opentelemetry.sdk.trace import export  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import (  # noqa: E402
    InMemorySpanExporter,
)
from opentelemetry.trace import SpanKind, StatusCode  # noqa: E402

GENERATE = "/v1/calls/tiny/generate"
TRACE, PARENT = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
OF = {"traceparent": f"00-{TRACE:032x}-{PARENT:016x}-01"}


@pytest.fixture
def spans(monkeypatch):
    """Give the spans of a server that traces, in the order in which they ended."""
    exporter, provider = InMemorySpanExporter(), sdk.TracerProvider()
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("test"))
    yield exporter.get_finished_spans
    provider.shutdown()


def test_a_request_is_a_trace_of_what_was_done_for_it(tiny, spans):
    with running([tiny]) as served:
        headers = OF | {"x-request-id": "mine"}
        answer = httpx.post(f"{served.url}{GENERATE}", json={"n": 3, "seed": 7}, headers=headers)
        served.settle()
    request = next(each for each in spans() if each.kind is SpanKind.SERVER)
    assert request.name == "POST /v1/calls/{model}/{call}"
    assert request.context.trace_id == TRACE and request.parent.span_id == PARENT
    told = dict(request.attributes)
    assert told["http.response.status_code"] == 200 and told["genzoo.request"] == "mine"
    assert told["genzoo.model"] == "tiny" and told["genzoo.seed"] == "7"
    assert told["genzoo.model_hash"] == answer.headers["x-model-hash"]
    [compute] = [each for each in spans() if each.name == "compute"]
    assert compute.parent.span_id == request.context.span_id
    [run] = [each for each in spans() if each.name == "execute decoder" and each.parent]
    assert run.parent.span_id == compute.context.span_id and run.attributes["genzoo.rows"] == 3
    assert [link.context.span_id for link in run.links] == [compute.context.span_id]
    assert request.start_time <= compute.start_time <= run.start_time < run.end_time


def test_a_run_for_several_is_linked_to_each(tiny, spans):
    async def crowd(url):
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            asked = (client.post(GENERATE, json={"n": 1, "seed": seed}) for seed in range(32))
            return await asyncio.gather(*asked)

    with running([tiny]) as served:
        asyncio.run(crowd(served.url))
        served.settle()
    waited = {each.context.span_id for each in spans() if each.name == "compute"}
    runs = [each for each in spans() if each.name == "execute decoder" and each.parent]
    links = [link.context.span_id for run in runs for link in run.links]
    assert len(waited) == 32 and sorted(links) == sorted(waited)
    assert sum(run.attributes["genzoo.rows"] for run in runs) == 32


def test_each_text_is_a_part_of_its_request(text, spans):
    with running([text]) as served:
        asked = {"model": "toy", "prompt": "abc ", "max_tokens": 4, "n": 2, "seed": 1}
        answer = httpx.post(f"{served.url}/v1/completions", json=asked).json()
        served.settle()
    [request] = [each for each in spans() if each.kind is SpanKind.SERVER]
    texts = [each for each in spans() if each.name == "write"]
    assert [each.parent.span_id for each in texts] == [request.context.span_id] * 2
    tokens = sum(each.attributes["genzoo.tokens"] for each in texts)
    assert tokens == answer["usage"]["completion_tokens"]


def test_faults_of_the_server_are_told_and_those_of_clients_are_none(tiny, spans, monkeypatch):
    with running([tiny]) as served:
        httpx.post(f"{served.url}{GENERATE}", json={"n": 0})
        monkeypatch.setattr(
            served.server.repository.get("tiny").model, "generate", lambda **_: 1 / 0
        )
        httpx.post(f"{served.url}{GENERATE}", json={"n": 1})
        served.settle()
    statuses = {
        each.attributes["http.response.status_code"]: each.status.status_code
        for each in spans()
        if each.kind is SpanKind.SERVER
    }
    assert statuses == {400: StatusCode.UNSET, 500: StatusCode.ERROR}


@pytest.mark.parametrize("limits", [{}, {"rows_held": 1}])
def test_every_span_that_begins_ends(text, monkeypatch, limits):
    """Of texts that are written, and of those that are refused."""

    class Going(sdk.SpanProcessor):
        def on_start(self, span, parent_context=None):
            going.add(span.context.span_id)

        def on_end(self, span):
            going.remove(span.context.span_id)
            ended.append(span.name)

    provider, going, ended = sdk.TracerProvider(), set(), []
    provider.add_span_processor(Going())
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("test"))
    with running([text], **limits) as served:
        asked = {"model": "toy", "prompt": "abc ", "max_tokens": 4, "n": 2, "seed": 1}
        answer = httpx.post(f"{served.url}/v1/completions", json=asked)
        assert answer.status_code == (503 if limits else 200)
        served.settle()
    assert ended and not going
    assert ended.count("write") == (0 if limits else 2)


@pytest.mark.parametrize("installed", [True, False])
def test_nothing_is_traced_where_nothing_is_installed_or_configured(installed):
    """Without the API package, everything is as with it."""
    script = f"""
import sys
if not {installed}:
    sys.modules["opentelemetry"] = None
from serving.server.operations import tracing
with tracing.request("GET", []) as span, tracing.span("x", rows=1):
    assert span is None and tracing.current() is None
    begun = tracing.begin("z")
    assert isinstance(begun, tracing.NoSpan)
    begun.set_attributes({{}})
    begun.end()
    tracing.executed("run", 0.1, [tracing.current()])
assert (tracing.tracer is None) == (not {installed})
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
