"""Downloads from a real server with every fault we could think of.

Whatever happens, the cache holds under its final name no file whose hash is wrong, and the message
says what happened.
"""

import errno
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serving.catalogue import Entry, Index, Pin
from serving.catalogue.build import to_json
from serving.errors import GenzooError, UsageError
from serving.hub import cache, http, places
from serving.hub.download import download
from tests.serving.hub.faulty_server import answer, cut_at, drip, head, serving_folder, status

ROOT = Path(__file__).parents[3]
DATA = random.Random(0).randbytes(200_000)
FILES = {"bundle.json": b"{}", "decoder.onnx": DATA, "README.md": b"# tiny\n", "empty.txt": b""}


def entry_of(files, graphs=("decoder.onnx",)):
    pins = {
        name: Pin(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        for name, data in files.items()
    }
    return Entry(
        family="vae",
        task="image generation",
        summary="",
        dataset="",
        dataset_license="",
        license="",
        parameters=1,
        metric=None,
        variants={"fp32": list(graphs)},
        files=pins,
    )


ENTRY = entry_of(FILES)


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def mirror(tmp_path):
    """A folder with the model `tiny`."""
    folder = tmp_path / "mirror" / "tiny"
    folder.mkdir(parents=True)
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    return folder.parent


@pytest.fixture
def server(mirror):
    with serving_folder(mirror) as running:
        yield running


def fetch(*places, files=("decoder.onnx",), **options):
    return download("tiny", ENTRY, files, [str(place) for place in places], **options)


def refusal(*places, **options):
    with pytest.raises(GenzooError) as caught:
        fetch(*places, **options)
    assert "\n" not in str(caught.value)
    assert_nothing_wrong_is_kept()
    return str(caught.value)


def assert_nothing_wrong_is_kept():
    for copy in cache.copies():
        for path in copy.files:
            if not path.name.endswith(".part"):
                assert cache.is_whole(path, copy.entry.files[path.name]), path


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
    assert not list(cache.folder("tiny", ENTRY).iterdir())


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
    monkeypatch.setattr(http, "WINDOW", 0.2)
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

    monkeypatch.setattr(http._Pace, "pieces", full)
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
    assert "GENZOO_OFFLINE is set; unset it" in refusal(server.url, files=["README.md"])
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


@pytest.mark.parametrize(
    "place",
    [
        "http://example.org/x",
        "http://127.example.org",
        "ftp://h",
        "https://",
        "file://host/x",
        "hf://owner",
    ],
)
def test_places_that_are_none(place):
    with pytest.raises(UsageError, match="cannot be used; expected a folder"):
        places.in_order([place])


def test_the_environment_names_mirrors(monkeypatch):
    monkeypatch.setenv("GENZOO_MIRROR", "https://a.example/m, /srv/zoo file:///mnt,")
    assert places.known_places() == ["/srv/zoo", "file:///mnt", "https://a.example/m"]


def test_the_hugging_face_hub(server, mirror, monkeypatch):
    import huggingface_hub

    files = mirror / "owner/zoo/resolve/v1/tiny"
    files.mkdir(parents=True)
    (files / "decoder.onnx").write_bytes(DATA)
    address = huggingface_hub.hf_hub_url
    monkeypatch.setattr(
        huggingface_hub,
        "hf_hub_url",
        lambda *names, **rest: address(*names, endpoint=server.url, **rest),
    )
    assert (fetch("hf://owner/zoo@v1") / "decoder.onnx").read_bytes() == DATA


def test_a_repository_that_cannot_be():
    with pytest.raises(UsageError, match="names no repository"):
        fetch("hf://owner/-")


def test_the_missing_package_of_the_hub_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(GenzooError, match=r"pip install 'genzoo\[hub\]'"):
        fetch("hf://owner/zoo")


def test_nothing_that_talks_is_imported_before_it_must():
    heavy = ("requests", "urllib3", "filelock", "tqdm", "huggingface_hub", "model_signing")
    code = (
        "import sys, serving, serving.hub, serving.commands.app; serving.hub.find('vae-mnist');"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "[]\n", done.stderr
