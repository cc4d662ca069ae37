"""No server holds a download for ever, wherever it stalls."""

import socket
from contextlib import ExitStack

import pytest

from serving.hub import deadline, http
from tests.serving.hub.faulty_server import answer, head, status
from tests.serving.hub.tiny_model import DATA, fetch, refusal
from tests.serving.hub.transfer.raw_server import dripping, talking

pytestmark = pytest.mark.usefixtures("own_cache")

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LONG = OK + b"Content-Length: %d\r\n\r\n" % len(DATA)


@pytest.fixture
def raw():
    with talking() as server:
        yield server


@pytest.fixture
def impatient(monkeypatch):
    """Leave little time."""
    monkeypatch.setattr(deadline, "GRACE", 0.3)


@pytest.mark.parametrize(
    ("beginning", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 ", b"O"),
        (OK + b"X: ", b"x"),
        (OK, b"X: x\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 100 Continue\r\n", b"X: x\r\n"),
        (LONG, b"x"),
        (CHUNKED + b"1;", b"x"),
        (CHUNKED + b"1\r\nx\r\n5;x=", b"y"),
        (CHUNKED, b"1;x=y\r\nx\r\n"),
        (CHUNKED + b"0\r\n", b"X: x\r\n"),
    ],
)
def test_what_drips_is_given_up_and_shut(raw, impatient, beginning, drop):
    raw.say = dripping(beginning, drop)
    assert "it is too slow: " in refusal(raw.url)
    assert raw.left.wait(30)


def test_early_hints_are_no_answer(raw):
    raw.say = dripping(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n")
    assert "103 Early Hints" in refusal(raw.url)
    assert raw.left.wait(30)


def test_encryption_that_never_begins(raw, impatient):
    raw.say = dripping(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xfc", b"\x00")
    assert "it is too slow: 0 bytes" in refusal(f"https://127.0.0.1:{raw.port}")
    assert raw.left.wait(30)


def test_a_proxy_that_never_opens_the_way(raw, impatient, monkeypatch):
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.setenv("HTTPS_PROXY", raw.url)
    raw.say = dripping(b"HTTP/1.1 200 OK\r\n", b"X: x\r\n")
    assert "it is too slow: 0 bytes" in refusal("https://zoo.invalid")
    assert raw.requests[0].startswith(b"CONNECT zoo.invalid:443") and raw.left.wait(30)


def test_nobody_answers_the_call(impatient):
    """Whoever listens takes no more calls, so connecting waits."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(3):
            caller = stack.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        assert "it is too slow: 0 bytes" in refusal(f"http://127.0.0.1:{port}")


def test_an_index_that_drips(raw, impatient):
    raw.say = dripping(OK + b"\r\n", b" ")
    with pytest.raises(http.TransferError, match="it is too slow"):
        http.read(raw.url, 1000)
    assert raw.left.wait(30)


def test_the_next_mirror_is_asked_after_one_that_drips(raw, server, impatient):
    raw.say = dripping(LONG + DATA[:1000], DATA[1000:1001])
    assert (fetch(raw.url, server.url) / "decoder.onnx").read_bytes() == DATA


def test_what_comes_fast_enough_puts_the_end_off(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(deadline.time, "monotonic", lambda: now[0])
    watch = deadline.Deadline(size=10 * deadline.FLOOR)
    for _ in range(10):
        now[0] += 1
        watch.received(deadline.FLOOR)
        assert watch._until - now[0] == deadline.GRACE
    now[0] += 1
    watch.received(deadline.FLOOR)  # more than there is: the same bytes again
    assert watch._until == deadline.GRACE + 10


def test_what_was_fast_may_not_stop(monkeypatch):
    monkeypatch.setattr(deadline.time, "monotonic", lambda: 0.0)
    watch = deadline.Deadline(size=10**12)
    watch.received(10**11)
    assert watch._until == deadline.GRACE


def test_a_server_without_ranges_that_gets_one_byte_further(server, monkeypatch):
    monkeypatch.setattr(http, "ATTEMPTS", 7)

    def fault(handler, data, _):
        head(handler, data, 0)
        handler.wfile.write(data[: len(server.requests)])
        handler.close_connection = True
        return True

    server.fault = fault
    assert "it was cut 7 times" in refusal(server.url)
    assert len(server.requests) == 7


def test_what_a_redirect_says_besides_is_not_read(raw, server):
    there = f"Location: {server.url}/tiny/decoder.onnx\r\n\r\n".encode()
    raw.say = dripping(b"HTTP/1.1 302 Found\r\n" + there, b"x" * 1000, pause=0)
    assert (fetch(raw.url) / "decoder.onnx").read_bytes() == DATA
    assert raw.left.wait(30)


def test_redirects_go_on_where_they_were(server):
    """A redirect does not make a download lose its place."""
    cuts = iter([50_000, 100_000])

    def fault(handler, data, start):
        if not handler.path.startswith("/moved"):
            return status(302, Location=f"/moved{handler.path}")(handler)
        data = DATA
        if (cut := next(cuts, None)) is None:
            answer(handler, data, start)
        else:
            head(handler, data, start)
            handler.wfile.write(data[start:cut])
            handler.close_connection = True
        return True

    server.fault = fault
    assert (fetch(server.url) / "decoder.onnx").read_bytes() == DATA
    moved = [wanted for path, wanted in server.requests if path.startswith("/moved")]
    assert moved == [None, "bytes=50000-", "bytes=100000-"]
