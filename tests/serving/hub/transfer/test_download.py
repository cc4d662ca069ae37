"""Downloads from a real server with every fault we could think of.

Whatever happens, the cache holds under its final name no file whose hash is wrong, and the message
says what happened.
"""

import errno
import socket
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.errors import GenzooError
from serving.hub import cache, deadline, http
from tests.serving.hub.faulty_server import answer, cut_at, drip, head, serving_folder, status
from tests.serving.hub.tiny_model import (
    DATA,
    ENTRY,
    FILES,
    assert_nothing_wrong_is_kept,
    fetch,
    refusal,
)

pytestmark = pytest.mark.usefixtures("own_cache")


def test_every_file_arrives(server):
    directory = fetch(server.url, files=FILES)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == FILES
    assert "/tiny/empty.txt" not in server.served()  # there is nothing to ask for
    server.requests.clear()
    assert fetch(server.url, files=FILES, hashed=True) == directory and not server.requests


def test_a_connection_cut_at_every_tenth_goes_on_from_there(server):
    cuts = [len(DATA) * tenth // 10 for tenth in range(1, 10)]
    server.fault = cut_at(*cuts)
    assert (fetch(server.url) / "decoder.onnx").read_bytes() == DATA
    ranges = [wanted for _, wanted in server.requests]
    assert ranges == [None, *(f"bytes={cut}-" for cut in cuts)]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(0, len(DATA)), max_size=4), st.binary(max_size=50), st.booleans())
def test_whatever_is_in_the_way_the_bytes_are_right(server, cuts, rubbish, honest):
    """Cuts at any place, a beginning that is another file's, a server that ignores ranges."""
    directory = cache.folder("tiny", ENTRY)
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "decoder.onnx").unlink(missing_ok=True)
    (directory / ".decoder.onnx.part").write_bytes(rubbish)
    cut = cut_at(*sorted(cuts))
    server.fault = lambda handler, data, start: (
        cut(handler, data, start if honest else 0)
        or (not honest and (answer(handler, data, 0) or True))
    )
    try:
        fetch(server.url)
    except GenzooError as error:
        assert "attempts" in str(error)  # cut too often at one place
    else:
        assert (directory / "decoder.onnx").read_bytes() == DATA
    assert_nothing_wrong_is_kept()


def test_a_busy_server_is_asked_again(server):
    server.fault = status(500, times=3)
    fetch(server.url)
    server.fault = status(503, times=1, Retry_After="0")
    fetch(server.url, files=["README.md"])


def test_a_server_that_never_recovers(server):
    server.fault = status(502)
    assert "502 Bad Gateway, after 5 attempts" in refusal(server.url)
    assert len(server.requests) == 5


@pytest.mark.parametrize("change", [-1, 1, 10**12])
def test_a_wrong_length_is_refused_before_anything_is_read(server, change):
    def fault(handler, data, start):
        head(handler, data, start, len(data) + change)
        return True

    server.fault = fault
    assert f"has {len(DATA) + change} bytes; expected {len(DATA)}" in refusal(server.url)
    assert not list(cache.folder("tiny", ENTRY).glob("decoder*"))


def test_not_a_byte_beyond_the_pin_is_kept(server):
    """Without a length, the file ends where the pin says."""

    def fault(handler, data, start):
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(data + b"more" * 1000)
        return True

    server.fault = fault
    assert (fetch(server.url) / "decoder.onnx").read_bytes() == DATA


def test_wrong_bytes_are_refused_and_deleted(server, mirror):
    (mirror / "tiny" / "decoder.onnx").write_bytes(DATA[:-1] + b"x")
    assert "other bytes than those that are pinned" in refusal(server.url)
    assert not cache.folder("tiny", ENTRY).exists() and not cache.copies()


def test_a_wrong_range_is_refused(server):
    cut = cut_at(1000)

    def fault(handler, data, start):
        if cut(handler, data, start):
            return True
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 0-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        return True

    server.fault = fault
    assert "expected bytes 1000-" in refusal(server.url)


def test_compressed_answers_are_refused(server):
    server.fault = status(200, Content_Encoding="gzip")
    assert "as gzip, which was not asked for" in refusal(server.url)


def test_a_slow_drip_is_given_up(server, monkeypatch):
    monkeypatch.setattr(deadline, "GRACE", 0.2)
    server.fault = drip(0.02)
    assert "it is too slow" in refusal(server.url)


def test_a_server_that_says_nothing(server, monkeypatch):
    monkeypatch.setattr(http, "TIMEOUTS", (1, 0.1))
    monkeypatch.setattr(http, "RETRIES", 1)
    server.fault = lambda *_: time.sleep(0.5) or True
    assert "timed out" in refusal(server.url)


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    place = f"http://127.0.0.1:{port}"
    assert (
        f"({place}: [Errno {errno.ECONNREFUSED}] Connection refused, after 5 attempts)"
        in refusal(place)
    )


def test_the_next_mirror_is_asked(server, tmp_path):
    (tmp_path / "empty").mkdir()
    with serving_folder(tmp_path / "empty") as bad:
        fetch(bad.url, server.url)
        assert bad.served() == server.served() == {"/tiny/decoder.onnx": 1}
        message = refusal(bad.url, tmp_path / "empty", files=["README.md"])
    assert f"{bad.url}: 404 Not Found; {tmp_path / 'empty'}: it has no such file" in message


def test_a_bad_beginning_does_not_spoil_the_next_mirror(server, mirror, tmp_path):
    bad = tmp_path / "bad" / "tiny"
    bad.mkdir(parents=True)
    (bad / "decoder.onnx").write_bytes(b"x" * len(DATA))
    with serving_folder(bad.parent) as liar:
        cut, left = cut_at(50_000), status(404)
        liar.fault = lambda *arguments: cut(*arguments) or left(*arguments)
        fetch(liar.url, server.url)
    assert [wanted for _, wanted in server.requests] == ["bytes=50000-", None]


def test_folders_are_mirrors(mirror):
    for place in (mirror, f"file://{mirror}"):
        directory = fetch(place, files=FILES)
        assert (directory / "decoder.onnx").read_bytes() == DATA
        (directory / "decoder.onnx").unlink()
    (mirror / "tiny" / "decoder.onnx").write_bytes(DATA + b"x")
    assert f"has {len(DATA) + 1} bytes; expected {len(DATA)}" in refusal(mirror)
