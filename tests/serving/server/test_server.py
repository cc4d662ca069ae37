"""Health, errors in two dialects, bounds of bodies, and the end of a server."""

import asyncio
import gzip
import signal
import socket
import zlib
from contextlib import suppress

import httpx
import pytest

from tests.serving.server.running import Running, running

GENERATE = "/v1/calls/tiny/generate"


def fine(client):
    """Whether the server is well: what must hold after whatever was sent to it."""
    assert client.get("/v2/health/ready").status_code == 200
    return client.post(GENERATE, json={"n": 1, "seed": 1}).status_code == 200


def test_it_is_live_before_and_ready_once_models_are_warm(tiny):
    begun = Running([str(tiny)])
    assert not begun.server.ready
    begun.start()
    try:
        assert httpx.get(f"{begun.url}/v2/health/live").json() == {"live": True}
        assert httpx.get(f"{begun.url}/v2/health/ready").json() == {"ready": True}
        begun.server.admission.closing = True
        assert httpx.get(f"{begun.url}/v2/health/live").status_code == 200
        assert httpx.get(f"{begun.url}/v2/health/ready").status_code == 503
        refused = httpx.post(f"{begun.url}{GENERATE}")
        assert refused.status_code == 503 and refused.headers["retry-after"] == "1"
    finally:
        begun.stop()


def test_one_error_layer_with_two_dialects(client):
    assert client.get("/v2/nothing").json() == {"error": "there is no such path"}
    error = client.get("/v1/nothing").json()["error"]
    assert error == {
        "message": "there is no such path", "type": "not_found_error", "param": None, "code": None
    }  # fmt: skip
    assert client.post("/v2/health/live").status_code == 405


def test_heads_come_alone_with_bodies_and_before_them(client, served):
    whole = client.get("/openapi.json")
    head = client.head("/openapi.json")
    assert head.status_code == 200 and not head.content
    assert head.headers["content-length"] == str(len(whole.content))
    body = b'{"n": 1, "seed": 1}'
    asked = f"POST {GENERATE} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n"
    expecting = asked + "expect: 100-continue\r\nconnection: close\r\n\r\n"
    answer = exchanged(served.address, expecting.encode() + body)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    # Several requests at once are answered in their order.
    several = (asked + "\r\n").encode() + body + b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n"
    several += b"GET /v2/health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = exchanged(served.address, several)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3 and answer.endswith(b'{"live":true}')


def test_every_answer_has_an_id_that_the_client_may_choose(client):
    assert (
        client.get("/v2/health/live", headers={"x-request-id": "mine-1"}).headers["x-request-id"]
        == "mine-1"
    )
    made = client.get("/nothing", headers={"x-request-id": "a b"}).headers["x-request-id"]
    assert len(made) == 32 and made != client.get("/nothing").headers["x-request-id"]


def test_it_works_behind_a_path(tiny):
    with running([tiny], prefix="/some/models/") as served:
        url = f"{served.url}/some/models"
        assert httpx.get(f"{url}/v2/health/ready").json() == {"ready": True}
        assert httpx.get(f"{served.url}/v2/health/ready").json() == {"ready": True}
        assert httpx.get(f"{url}/v2/models/gone").json()["error"].startswith("no model is called")
        assert "message" in httpx.get(f"{url}/v1/models/gone").json()["error"]
        assert httpx.get(f"{url}/v2/nothing").json() == {"error": "there is no such path"}
        assert httpx.get(f"{url}/openapi.json").json()["servers"] == [{"url": "/some/models"}]
        assert httpx.post(f"{url}{GENERATE}", json={"n": 1}).status_code == 200


BODIES = {
    "deep": (b'{"n": ' + b"[" * 40 + b"]" * 40 + b"}", {}, 400),
    "deeper": (b"[" * 100_000, {}, 400),
    "quotes": (b'{"' + b'\\"' * 50_000, {}, 400),
    "no object": (b"[1]", {}, 400),
    "no JSON": (b"{n: 1}", {}, 400),
    "NaN": (b'{"n": NaN}', {}, 400),
    "invalid UTF-8": (b'{"n": "\xff"}', {}, 400),
    "surrogate": (b'{"\\ud800": 1}', {}, 400),
    "no gzip": (b"{}", {"content-encoding": "gzip"}, 400),
    "half a gzip": (gzip.compress(b'{"n": 1}')[:-9], {"content-encoding": "gzip"}, 400),
    "unknown encoding": (b"{}", {"content-encoding": "br"}, 415),
    "gzip bomb": (gzip.compress(bytes(2**21)), {"content-encoding": "gzip"}, 413),
    "deflate bomb": (zlib.compress(bytes(2**21)), {"content-encoding": "deflate"}, 413),
    "large": (bytes(2**20 + 1), {}, 413),
    "much JSON": (b'"' + b" " * 2**17 + b'"', {}, 413),
    "odd length": (b"{}", {"x-request-timeout": "soon"}, 400),
    "no time": (b"{}", {"x-request-timeout": "-1"}, 400),
}


@pytest.fixture(scope="module")
def small(tiny):
    """A server that takes small bodies only."""
    with running([tiny], body_bytes=2**20, json_bytes=2**17, reading_seconds=1) as found:
        yield found


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_are_wrong_are_refused_and_hurt_nobody(small, name):
    data, headers, status = BODIES[name]
    with httpx.Client(base_url=small.url) as client:
        headers = {"content-type": "application/json"} | headers
        answer = client.post(GENERATE, content=data, headers=headers)
        assert answer.status_code == status, answer.text
        assert "message" in answer.json()["error"]
        assert fine(client)
    small.settle()


def test_a_body_without_a_length_is_counted_while_it_comes(small):
    pieces = (bytes(2**16) for _ in range(64))
    with suppress(httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        # Unless it is closed while it is sent:
        assert httpx.post(f"{small.url}{GENERATE}", content=pieces).status_code == 413
    with httpx.Client(base_url=small.url) as client:
        assert fine(client)


def test_compressed_bodies_are_read(client):
    for kind, data in (
        ("gzip", gzip.compress(b'{"n": 2}')),
        ("deflate", zlib.compress(b'{"n": 2}')),
    ):
        answer = client.post(GENERATE, content=data, headers={"content-encoding": kind})
        assert len(answer.json()["image"]) == 2


def exchanged(address, data, close=False):
    """Send bytes over a socket of its own, and return what comes back until it is closed."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        found = b""
        with suppress(ConnectionError):  # where it sent more than was read
            connection.sendall(data)
            if close:
                connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(2**16):
                found += part
        return found


def test_slow_half_and_broken_requests(small, monkeypatch):
    from serving.server import protocol as module

    monkeypatch.setattr(module, "HEAD_SECONDS", 0.3)
    head = f"POST {GENERATE} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n".encode()
    assert exchanged(small.address, head[:20]) == b""  # a head that does not end is closed
    assert b" 408 " in exchanged(small.address, head + b"{")  # a body that does not end
    assert b" 400 " in exchanged(small.address, b"\x16\x03\x01\x00\x05hello\r\n\r\n")
    for endless in (b"x: " + b"a" * 2**20, b"x: y\r\n" * 2**18):
        assert exchanged(small.address, b"GET / HTTP/1.1\r\n" + endless) == b""
    assert exchanged(small.address, head + b"{", close=True) == b""  # half closed
    with httpx.Client(base_url=small.url) as client:
        assert fine(client)
    small.settle()


def test_many_slow_clients_hold_up_nobody(small, monkeypatch):
    """Heads and bodies that come a byte at a time: each is closed in time, others are answered."""
    from serving.server import protocol as module

    monkeypatch.setattr(module, "HEAD_SECONDS", 0.5)
    head = f"POST {GENERATE} HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\n".encode()

    async def trickle(begin, rest):
        host, port = small.address.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(begin)
        found = asyncio.create_task(reader.read())
        for at in range(len(rest)):
            if found.done():
                break
            writer.write(rest[at : at + 1])
            await asyncio.wait({found}, timeout=0.05)
        writer.close()
        with suppress(ConnectionError):
            return await found
        return b""

    async def everything():
        slow = [trickle(head[:9], head[9:] * 9) for _ in range(15)]
        slow += [trickle(head, b" " * 900) for _ in range(15)]
        asked = asyncio.gather(*slow)
        async with httpx.AsyncClient(base_url=small.url, timeout=20) as client:
            for _ in range(5):
                answer = await client.post(GENERATE, json={"n": 1, "seed": 1})
                assert answer.status_code == 200
        return await asked

    found = asyncio.run(everything())
    assert found[:15] == [b""] * 15
    # Who still sends while he is told so may find the connection closed instead.
    assert all(not each or b" 408 " in each for each in found[15:])
    small.settle()


BEYOND = {  # of a server with the usual bounds
    "gzip": (gzip.compress(bytes(65 * 2**20), 1), b"content-encoding: gzip\r\n"),
    "deflate": (zlib.compress(bytes(65 * 2**20), 1), b"content-encoding: deflate\r\n"),
    "plain": (bytes(65 * 2**20), b""),
}


@pytest.mark.parametrize("path", [GENERATE, "/v2/models/tiny/infer", "/v1/chat/completions"])
@pytest.mark.parametrize("kind", BEYOND)
def test_a_body_of_65_mib_is_refused_however_it_comes(client, served, kind, path):
    data, encoding = BEYOND[kind]
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(data)}\r\n".encode()
    found = exchanged(served.address, head + encoding + b"\r\n" + data)
    assert not found or b" 413 " in found.splitlines()[0]
    assert found or kind == "plain"  # which may be closed before it was sent
    assert fine(client)
    served.settle()


ODD = {
    "deep": b'{"model": ' + b"[" * 99 + b"]" * 99 + b"}",
    "deeper": b"[" * 200_000,
    "invalid UTF-8": b'{"model": "\xff"}',
    "half a surrogate": b'{"model": "\\ud800"}',
    "NaN": b'{"model": NaN}',
    "Infinity": b'{"model": "toy", "temperature": -Infinity}',
    "too large a number": b'{"model": "toy", "seed": 1e999}',
    "2^64": b'{"model": "toy", "n": 18446744073709551616}',
    "a list": b"[]",
    "half": b'{"model"',
    "nothing": b"",
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/chat/completions",
                                  "/v1/images/generations", "/v1/calls/toy/generate"])  # fmt: skip
def test_odd_json_is_refused_everywhere(client, path, name):
    if (path, name) == ("/v1/calls/toy/generate", "nothing"):
        return  # which asks for what it does unless told otherwise
    answer = client.post(path, content=ODD[name], headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert "\n" not in answer.json()["error"]["message"]
    assert fine(client)


def test_one_client_has_its_own_bound(tiny):
    with running([tiny], requests_of_one=1) as served:
        with served.server.admission.enter("127.0.0.1"):
            answer = httpx.post(f"{served.url}{GENERATE}", json={"n": 1})
        assert answer.status_code == 429 and answer.headers["retry-after"] == "1"
        assert answer.json()["error"]["code"] == "rate_limit_exceeded"
        assert httpx.post(f"{served.url}{GENERATE}", json={"n": 1}).status_code == 200


def test_the_server_is_full(tiny):
    with running([tiny], requests=1) as served:
        with served.server.admission.enter("another"):
            answer = httpx.post(f"{served.url}{GENERATE}", json={"n": 1})
        assert answer.status_code == 503 and answer.json()["error"]["code"] == "full"


@pytest.mark.parametrize(
    "path", [GENERATE, "/v2/models/tiny/infer", "/v2/models/tiny.decoder/infer"]
)
def test_where_too_many_wait_for_a_model_others_are_refused_unread(tiny, path):
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9\r\n\r\n"
    with running([tiny], requests_of_model=1, reading_seconds=60) as served:
        with served.server.repository.get("tiny").lane.line.enter():
            answer = exchanged(served.address, head.encode())  # whose body never comes
            assert b" 503 " in answer.splitlines()[0] and b"retry-after" in answer
            asked = {"model": "tiny", "prompt": ""}  # whose model is known once it is read
            refused = httpx.post(f"{served.url}/v1/images/generations", json=asked)
            assert refused.status_code == 503 and refused.json()["error"]["code"] == "full"
            assert httpx.get(f"{served.url}/v2/models/tiny/ready").status_code == 200
        with httpx.Client(base_url=served.url) as client:
            assert fine(client)
            assert 'genzoo_rejected_total{reason="full"} 2.0' in client.get("/metrics").text
        served.settle()


def test_labels_of_metrics_are_of_a_closed_set(client):
    for path in ("/nothing/1", "/v1/calls/made-up/generate", "/v1/calls/tiny/made-up"):
        client.post(path)
    found = client.get("/metrics").text
    assert "made-up" not in found and "nothing" not in found
    assert 'route="/v1/calls/{model}/{call}",status="404"' in found
    assert 'genzoo_rejected_total{reason="unknown"}' in found


def test_told_to_stop_it_exits_with_0(process):
    url, begun, events = process
    assert httpx.get(f"{url}/v2/health/ready").status_code == 200
    begun.send_signal(signal.SIGTERM)
    assert begun.wait(timeout=30) == 0
    told = [event["event"] for event in iter(lambda: events.get(timeout=30), {"event": "end"})]
    assert told[-1] == "closed"


def test_models_that_cannot_be_served_are_one_line(genzoo, own):
    assert genzoo("serve", "no-such")[0] == 2
    code, _, said = genzoo("serve", own, own)
    assert code == 2 and "two models are called 'tiny'" in said
    (own / "decoder.onnx").write_bytes(b"spoilt")
    code, _, said = genzoo("serve", own, "--port", "0", "--device", "cpu")
    assert code == 1 and "decoder.onnx" in said.splitlines()[-1]


def test_an_address_that_is_taken_is_one_line(genzoo, own):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, said = genzoo("serve", own, "--port", taken.getsockname()[1])
    assert code == 1 and "choose another --port" in said.splitlines()[-1]
