"""Who asks a model that is full is turned away by the head alone, and the connection goes on."""

import json
import re
import socket
from contextlib import contextmanager

import httpx
import pytest

from serving.server import protocol
from serving.server.metrics import Metrics
from serving.server.protocol import SHED_BYTES
from serving.server.work.line import Line
from serving.server.work.shedding import Shedding
from tests.serving.server.running import running

PATH = "/v1/calls/tiny/generate"


def request(path=PATH, body=b'{"n": 1}', method="POST", more=""):
    head = f"{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


class Connection:
    """A connection of which every byte is seen."""

    def __init__(self, address):
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=20)
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data)

    def answer(self, body=True):
        """Return status, headers and body of the next answer."""
        status = int(self.file.readline().split()[1])
        lines = iter(self.file.readline, b"\r\n")
        headers = dict(line.decode().strip().split(": ", 1) for line in lines)
        size = int(headers["content-length"]) if body else 0
        return status, headers, self.file.read(size)


@contextmanager
def full(tiny, **limits):
    """A server with one model that has no room, a connection to it, and what makes room."""
    with running([tiny], requests_of_model=1, **limits) as served:
        taken = served.server.repository.get("tiny").lane.line.enter()
        taken.__enter__()
        connection = Connection(served.address)
        try:
            yield served, connection, lambda: taken.__exit__(None, None, None)
        finally:
            connection.socket.close()


def test_the_same_connection_is_turned_away_and_then_served(tiny):
    with full(tiny) as (served, connection, make_room):
        for path, prefix in ((PATH, "/v1"), ("/v2/models/tiny/infer?a=b", "/v2")):
            connection.send(request(path, more="x-request-id: mine\r\n"))
            status, headers, body = connection.answer()
            assert status == 503 and headers["retry-after"] == "1"
            assert headers["x-request-id"] == "mine"
            error = json.loads(body)["error"]
            assert (error if prefix == "/v2" else error["message"]).startswith("the server is full")
        make_room()
        connection.send(request())
        assert connection.answer()[0] == 200
        metrics = httpx.get(f"{served.url}/metrics").text
        assert 'genzoo_rejected_total{reason="full"} 2.0' in metrics
        assert re.search(
            r'requests_total{route="/v1/calls/{model}/{call}",status="503"} 1', metrics
        )


def test_a_body_that_comes_late_is_no_request(tiny):
    with full(tiny) as (_, connection, make_room):
        head, _, body = request().partition(b"\r\n\r\n")
        connection.send(head + b"\r\n\r\n" + body[:3])
        assert connection.answer()[0] == 503
        make_room()
        connection.send(body[3:] + request() + request(method="GET", path="/v2/health/live"))
        assert connection.answer()[0] == 200 and connection.answer()[0] == 200


def test_who_sends_no_more_of_it_is_not_waited_for(tiny, monkeypatch):
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.2)
    with full(tiny) as (_, connection, _):
        connection.send(request()[:-1])
        assert connection.answer()[0] == 503
        assert connection.file.read() == b""


def test_where_it_is_the_last_the_connection_ends(tiny):
    with full(tiny) as (_, connection, _):
        connection.send(request(more="connection: close\r\n"))
        assert connection.answer()[0] == 503 and connection.file.read() == b""


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request(body=b" " * (SHED_BYTES + 1)), 503),  # by the handler, which reads none of it
        (request(method="GET", body=b""), 405),
        (request(PATH.replace("tiny", "other")), 404),
        (request(PATH.replace("tiny", "t%69ny")), 503),  # of another spelling
        (request("/v2/models/tiny/ready", method="GET", body=b""), 200),
    ],
)
def test_others_go_the_usual_way(tiny, sent, status):
    with full(tiny) as (_, connection, _):
        connection.send(sent)
        assert connection.answer()[0] == status


def test_under_a_prefix_too():
    line = Line(1)
    shedding = Shedding({"tiny": line}.get, Metrics())
    shedding.add("/v1/calls/{model}/{call}", "/zoo")
    with line.enter():
        for path, turned_away in ((f"/zoo{PATH}", True), (PATH, True), (f"/other{PATH}", False)):
            answer = shedding.refusal(path.encode(), [])
            assert (answer is not None) == turned_away
