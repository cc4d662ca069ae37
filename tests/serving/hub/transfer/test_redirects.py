"""Where a server may send a download, and what goes along."""

import socket

import pytest

from serving.hub import http
from tests.serving.hub.faulty_server import serving_folder, status
from tests.serving.hub.tiny_model import DATA, fetch, refusal

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.mark.parametrize("target", ["file:///etc/passwd", "https://127.0.0.1/x", "ftp://h/x"])
def test_redirects_to_another_scheme_are_refused(server, target):
    server.fault = status(302, Location=target)
    assert f"it redirects from http:// to {target}" in refusal(server.url)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "169.254.169.254", "10.0.0.1", "[::1]", "[::ffff:192.168.0.1]"]
)
def test_redirects_into_the_own_network_are_refused(server, monkeypatch, host):
    """From outside, as which `localhost` counts here."""
    resolve = socket.getaddrinfo
    outside = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("8.8.8.8", 0))]
    monkeypatch.setattr(
        http.socket,
        "getaddrinfo",
        lambda name, port, *rest, **more: (
            outside if (name, port) == ("localhost", None) else resolve(name, port, *rest, **more)
        ),
    )
    server.fault = status(302, Location=f"http://{host}:{server.port}/tiny/decoder.onnx")
    message = refusal(f"http://localhost:{server.port}")
    assert "an address inside your network" in message and len(server.requests) == 1


def test_redirects_are_followed_five_times(server):
    hops = [5]

    def fault(handler, *_):
        if not hops[0]:
            return False
        hops[0] -= 1
        return status(302, Location=handler.path)(handler)

    server.fault = fault
    fetch(server.url)
    hops[0] = 6
    assert "redirects more than 5 times" in refusal(server.url, files=["README.md"])


def test_credentials_do_not_follow_to_another_host(server, tmp_path):
    seen = []
    with serving_folder(server.folder) as other:
        other.fault = lambda handler, *_: seen.append(handler.headers.get("Authorization"))
        server.fault = status(302, Location=f"{other.url}/tiny/decoder.onnx")
        part = tmp_path / "part"
        http.receive(f"{server.url}/x", part, len(DATA), {"authorization": "Bearer secret"})
    assert seen == [None] and part.read_bytes() == DATA
