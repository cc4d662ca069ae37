"""What is counted and logged: true numbers, a closed set of labels, a line of JSON each."""

import json
import logging
import re
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from serving.server.errors import REASONS
from serving.server.logs import JsonFormatter, write_logs
from serving.server.metrics import Metrics
from tests.serving.server.running import running


def numbers(served):
    text = httpx.get(f"{served.url}/metrics").text
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_what_is_asked_is_counted(tiny, text):
    with running([tiny, text]) as served:
        httpx.post(f"{served.url}/v1/calls/tiny/generate", json={"n": 130, "seed": 1})
        httpx.post(f"{served.url}/v1/calls/tiny/generate", json={"n": 0})
        request = {"model": "toy", "prompt": "abc ", "max_tokens": 5, "temperature": 0}
        answer = httpx.post(f"{served.url}/v1/completions", json=request).json()
        served.settle()
        found = numbers(served)
    route = "/v1/calls/{model}/{call}"
    assert found["genzoo_requests_total", route, "200"] == 1
    assert found["genzoo_requests_total", route, "400"] == 1
    assert found["genzoo_request_seconds_count", route] == 2
    assert found["genzoo_rejected_total", "invalid"] == 1
    # One image when it was warmed, and three batches.
    assert found["genzoo_rows_total", "decoder", "tiny"] == 131
    assert found["genzoo_executions_total", "decoder", "tiny"] == 4
    assert found["genzoo_batch_rows_count", "decoder", "tiny"] == 4
    tokens = answer["usage"]["completion_tokens"]
    assert found["genzoo_tokens_total", "toy"] == tokens
    assert found["genzoo_first_token_seconds_count", "toy"] == 1
    assert found["genzoo_next_token_seconds_count", "toy"] == tokens - 1
    assert found["genzoo_batch_rows_sum", "texts", "toy"] == tokens
    waited = found["genzoo_first_token_seconds_sum", "toy"]
    assert (
        0
        < found["genzoo_queue_seconds_sum", "toy"]
        < waited
        < found["genzoo_request_seconds_sum", "/v1/completions"]
    )
    assert found["genzoo_queue_seconds_count", "toy"] == 1
    assert found["genzoo_queue_seconds_count", "tiny"] == 1
    assert found["genzoo_slots_in_use", "toy"] == 0
    assert found["genzoo_requests_here",] == found["genzoo_rows_here",] == 0


def test_the_page_names_every_metric_and_reason():
    page = (Path(__file__).parents[3] / "docs/server.md").read_text(encoding="utf-8")
    names = {family.name for family in text_string_to_metric_families(Metrics().text().decode())}
    for name in {each.removeprefix("genzoo_") for each in names}:
        if name.endswith("_created"):  # when a series began
            continue
        assert f"`{name}`" in page or f"`{name}_total`" in page, name
    [reasons] = re.findall(r"`rejected_total` \| reason: (.*) \|", page)
    assert tuple(reasons.split(", ")) == REASONS


def test_a_line_of_json_for_each_request(served, client):
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(json.loads(JsonFormatter().format(record)))
    log = logging.getLogger("serving.server")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        headers = {"x-request-id": "line-1"}
        client.post("/v1/calls/tiny/generate", json={"n": 0}, headers=headers)
        served.settle()
        while not lines:
            client.get("/v2/health/live")
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
    [line] = [line for line in lines if line["request"] == "line-1"]
    assert line["event"] == "request" and line["status"] == 400 and line["milliseconds"] > 0
    assert line["route"] == "/v1/calls/{model}/{call}" and "n is 0" in line["refused"]


def test_errors_are_logged_with_where_they_happened(capsys):
    write_logs()
    try:
        try:
            raise ValueError("a mistake")
        except ValueError:
            logging.getLogger("serving.server").exception("mistake", extra={"request": "x"})
        line = json.loads(capsys.readouterr().err)
        assert line["level"] == "error" and "test_metrics.py" in line["error"]
    finally:
        for name in ("serving.server", "uvicorn.error"):
            logger = logging.getLogger(name)
            logger.handlers, logger.propagate = [], True
            logger.setLevel(logging.NOTSET)


def test_a_mistake_of_the_server_tells_nothing_of_itself(tiny, monkeypatch):
    with running([tiny]) as served:
        model = served.server.repository.get("tiny").model
        monkeypatch.setattr(model, "generate", lambda **_: 1 / 0)
        answer = httpx.post(f"{served.url}/v1/calls/tiny/generate", json={"n": 1})
        assert answer.status_code == 500
        assert answer.json()["error"]["message"] == "the server made a mistake; its log says which"
        assert httpx.post(f"{served.url}/v1/calls/tiny/decode", json={"z": [[0, 0]]}).is_success
