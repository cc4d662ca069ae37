"""Answers that are hardly HTTP: each is one line that a terminal can show, never a traceback."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.errors import GenzooError
from serving.hub import deadline, http
from tests.serving.hub.tiny_model import DATA, fetch, refusal
from tests.serving.hub.transfer.raw_server import saying, talking

pytestmark = pytest.mark.usefixtures("own_cache")

RIGHT = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(DATA), DATA)


@pytest.fixture
def raw():
    with talking() as server:
        yield server


def printable(text):
    return all(letter.isprintable() for letter in text)


@pytest.mark.parametrize(
    "asked",
    [
        b"-5",
        b"1e400",
        b"9" * 30,
        b"9" * 5000,
        b"soon",
        b"\xff\xfe\xb2",
        b"",
        b"\x1b[31m",
        b"Fri, 31 Dec 9999 23:59:59 GMT",
        b"Fri, 31 Dec 99999999999999 23:59:59 GMT",
        b"Sun, 99 Foo 2020 99:99:99 +9999999999",
        b"Wed, 21 Oct 2015 07:28:00 GMT",
        b"0 0 0 0:0:0",
    ],
)
def test_whatever_a_busy_server_asks_for_it_is_asked_again(raw, monkeypatch, asked):
    monkeypatch.setattr(http, "LONGEST_WAIT", 0)
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n" % asked
    raw.say = lambda connection: connection.sendall(RIGHT if raw.requests[1:] else busy)
    assert (fetch(raw.url) / "decoder.onnx").read_bytes() == DATA


@pytest.mark.parametrize(
    "location",
    [
        b"http://[",
        b"//[",
        b"http://[::1",
        b"http://[x]/",
        b"http://h:99999999/",
        b"http://h:x/",
        b"http://%s.example/" % (b"a" * 70),
        b"http://\xff\xfe/",
        b"\xff\xfe",
        b"http://\x1b[31m/",
        b"http://%",
        b"http://:80",
        b"http://.",
        b"javascript:1",
        b"https:",
        b"http:" + b"/" * 60_000,
    ],
)
def test_redirects_that_lead_nowhere(raw, monkeypatch, location):
    monkeypatch.setattr(http, "RETRIES", 0)
    found = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % location
    gone = b"HTTP/1.1 404 Gone\r\n\r\n"
    raw.say = lambda connection: connection.sendall(gone if raw.requests[1:] else found)
    message = refusal(raw.url)
    assert printable(message) and len(message) < 1000


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 404 \x1b]0;mine\x07\x1b[2J\xe2\x80\xae\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: \x1b[31m\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: \x1b[31m\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ftp://\x9b31m\r\n\r\n",
    ],
)
def test_nothing_that_a_server_says_commands_the_terminal(raw, monkeypatch, said):
    monkeypatch.setattr(http, "RETRIES", 0)
    raw.say = saying(said)
    message = refusal(raw.url)
    assert "\N{REPLACEMENT CHARACTER}" in message and printable(message)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.sampled_from([b"", b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 302 Found\r\n"]),
    st.lists(
        st.sampled_from(
            [b"Location: ", b"Content-Length: ", b"Transfer-Encoding: chunked\r\n", b"\r\n", b":"]
        )
        | st.binary(max_size=12),
        max_size=6,
    ),
)
def test_whatever_a_server_says_it_is_one_line(raw, beginning, rest):
    """Here it is wrong in any case, for no such answer has the pinned bytes."""
    raw.say = saying(beginning + b"".join(rest))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http, "RETRIES", 0)
        patch.setattr(deadline, "GRACE", 5)
        message = refusal(raw.url)
    assert printable(message)


def test_a_redirect_to_no_address_is_called_that(raw):
    raw.say = saying(b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n")
    assert "it redirects to http://[, which is no address" in refusal(raw.url)


@pytest.mark.parametrize("port", ["99999", "x", "-1"])
def test_an_address_with_a_port_that_is_none(port):
    with pytest.raises(GenzooError, match=r"decoder\.onnx of tiny could not be downloaded"):
        fetch(f"https://127.0.0.1:{port}/zoo")
