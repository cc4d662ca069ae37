"""The cache under bad disks, kills, offline work and several processes at once."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from serving.catalogue import Index
from serving.catalogue.build import to_json
from serving.errors import GenzooError
from serving.hub import cache, http
from tests.house import ROOT
from tests.serving.hub.faulty_server import head
from tests.serving.hub.tiny_model import (
    DATA,
    ENTRY,
    FILES,
    assert_nothing_wrong_is_kept,
    fetch,
    refusal,
)

pytestmark = pytest.mark.usefixtures("own_cache")


def test_altered_files_of_the_cache_are_replaced_when_asked(server):
    path = fetch(server.url) / "decoder.onnx"
    path.write_bytes(b"x" * len(DATA))
    fetch(server.url, hashed=True)
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("plant", [os.symlink, os.link])
def test_nothing_is_written_through_links(server, tmp_path, plant):
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    directory = cache.folder("tiny", ENTRY)
    directory.mkdir(parents=True)
    plant(victim, directory / ".decoder.onnx.part")
    fetch(server.url)
    assert victim.read_bytes() == b"mine"


def test_a_full_disk(server, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        yield

    monkeypatch.setattr(http, "_pieces", full)
    message = refusal(server.url)
    assert "No space left on device" in message and "GENZOO_HOME" in message
    assert len(server.requests) == 1  # another mirror would not help


def test_a_disk_too_small_is_seen_before(server, monkeypatch):
    monkeypatch.setattr("serving.hub.download.shutil.disk_usage", lambda _: os.stat_result([0] * 10)
                        and type("Usage", (), {"free": 5}))  # fmt: skip
    assert "has room for 5" in refusal(server.url) and not server.requests


def test_a_cache_that_cannot_be_written(server, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENZOO_HOME", str(tmp_path / "file"))
    with pytest.raises(GenzooError, match=r"cannot be written \(Not a directory\)"):
        fetch(server.url)


def test_offline_everything_cached_contacts_nobody(server, monkeypatch):
    fetch(server.url)
    server.requests.clear()
    monkeypatch.setenv("GENZOO_OFFLINE", "1")
    fetch(server.url)
    assert "(GENZOO_OFFLINE is set)" in refusal(server.url, files=["README.md"])
    assert not server.requests


def test_offline_a_folder_is_still_a_mirror(server, mirror, monkeypatch):
    monkeypatch.setenv("GENZOO_OFFLINE", "1")
    fetch(server.url, mirror)
    assert not server.requests


CODE = """
import sys
from serving.catalogue import Index
from serving.hub import http
from serving.hub.download import download
http.BACKOFF = 0
entry = Index.model_validate_json(open(sys.argv[1]).read()).models["tiny"]
print("ready", flush=True)
download("tiny", entry, list(entry.files), [sys.argv[2]])
"""


@pytest.fixture
def in_process(tmp_path):
    """Start a download in a process of its own."""
    index = tmp_path / "index.json"
    index.write_text(to_json(Index(models={"tiny": ENTRY})))
    started = []

    def start(url, before=""):
        command = [sys.executable, "-c", before + CODE, str(index), url]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_what_was_killed_goes_on_where_it_was(server, in_process):
    half = len(DATA) // 2

    def stall(handler, data, start):
        if data != DATA:
            return False
        head(handler, data, start)
        handler.wfile.write(data[:half])
        handler.wfile.flush()
        time.sleep(30)  # the client will not live so long
        return True

    server.fault = stall
    process = in_process(server.url)
    part = cache.folder("tiny", ENTRY) / ".decoder.onnx.part"
    while not (part.exists() and part.stat().st_size > half // 2):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    arrived = part.stat().st_size
    assert not (part.parent / "decoder.onnx").exists()
    server.fault = lambda *_: False
    server.requests.clear()
    assert (fetch(server.url) / "decoder.onnx").read_bytes() == DATA
    assert server.requests == [("/tiny/decoder.onnx", f"bytes={arrived}-")]


def test_eight_at_once_download_once(server, in_process):
    processes = [in_process(server.url) for _ in range(8)]
    for process in processes:
        _, complaint = process.communicate()
        assert process.returncode == 0, complaint
    wanted = {f"/tiny/{name}": 1 for name, data in FILES.items() if data}
    assert server.served() == wanted
    assert_nothing_wrong_is_kept()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits")
def test_a_file_that_may_not_grow(server, in_process):
    """The system refuses to write: as a full disk does, but for real."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))"
    process = in_process(server.url, limit)
    _, complaint = process.communicate()
    assert "cannot be written (File too large); free some space" in complaint
    assert_nothing_wrong_is_kept()
    assert (fetch(server.url) / "decoder.onnx").read_bytes() == DATA
