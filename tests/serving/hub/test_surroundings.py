"""Odd surroundings: no home folder, users nobody knows, pipes and devices in the place of files."""

import os
import pwd
import shutil
import sys

import pytest

import serving
from serving import hub
from serving.errors import GenzooError, UsageError
from serving.hub import cache, mirrors
from serving.hub.local import open_regular
from serving.hub.tree import open_tree
from tests.serving.hub.tiny_model import ENTRY, FILES, fetch, refusal
from zoo.data import store

pytestmark = pytest.mark.usefixtures("own_cache")
NOBODY = "~nosuchuser/zoo"


@pytest.fixture
def homeless(monkeypatch):
    """A user without a home folder and without an entry, as in many a container."""

    def unknown(_):
        raise KeyError("no entry")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("HOME", "GENZOO_HOME", "XDG_CACHE_HOME", "TFDS_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_without_a_home_an_installed_model_runs(homeless, catalogued, genzoo):
    assert len(serving.load("tiny", device="cpu").generate(2, seed=7)) == 2
    assert genzoo("pull", "tiny")[0] == genzoo("verify", "tiny")[0] == 0
    assert not list(catalogued.parent.parent.glob("~*"))


def test_without_a_home_only_a_download_needs_a_place(homeless, catalogued, genzoo, tmp_path):
    shutil.rmtree(catalogued)
    for arguments in (["pull", "tiny"], ["cache", "list"], ["pull", "tiny", "--index", tmp_path]):
        code, _, err = genzoo(*arguments)
        assert code == 1 and err.count("\n") == 1
    assert genzoo("pull", "tiny")[2] == (
        "genzoo: there is no place for the cache without a home folder; set GENZOO_HOME\n"
    )


def test_an_older_platformdirs_leaves_the_tilde(homeless, monkeypatch):
    import platformdirs

    monkeypatch.setattr(platformdirs, "user_cache_path", lambda *_, **__: cache.Path("~/.cache"))
    with pytest.raises(GenzooError, match="set GENZOO_HOME"):
        cache.home()
    assert not cache.is_known()


def test_data_need_no_home_where_a_place_is_named(homeless, tmp_path, monkeypatch):
    assert store.roots(str(tmp_path)) == [tmp_path]
    with pytest.raises(GenzooError, match="set GENZOO_HOME"):
        store.roots()
    monkeypatch.setenv("GENZOO_HOME", str(tmp_path))
    assert store.roots() == [tmp_path / "tfds"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda: fetch(NOBODY),
        lambda: open_tree(NOBODY),
        lambda: store.roots(NOBODY),
    ],
)
def test_a_user_nobody_knows(ask):
    with pytest.raises(UsageError, match="the home folder in ~nosuchuser/zoo is not known"):
        ask()


def test_a_cache_of_a_user_nobody_knows(monkeypatch, catalogued):
    monkeypatch.setenv("GENZOO_HOME", NOBODY)
    assert serving.load("tiny", device="cpu").variant == "fp32"
    with pytest.raises(UsageError, match="~nosuchuser"):
        fetch("/nowhere")


@pytest.mark.parametrize("address", ["http://[", "https://[::1", "file://[", "hf://[", "//[://"])
def test_addresses_that_cannot_be_parsed(genzoo, catalogued, monkeypatch, address):
    code, _, err = genzoo("pull", "tiny", "--index", address)
    assert code == 2 and f"the mirror '{address}' cannot be used; expected" in err
    shutil.rmtree(catalogued)
    monkeypatch.setenv("GENZOO_MIRROR", address)
    code, _, err = genzoo("pull", "tiny")
    assert code == 2 and f"the mirror '{address}' cannot be used; expected" in err


PLANTS = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "socket": lambda path: os.mknod(path, 0o140644),
}


@pytest.fixture(params=PLANTS)
def plant(request):
    return PLANTS[request.param]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
class TestNoFile:
    def test_as_a_file_of_a_mirror(self, plant, tmp_path):
        (tmp_path / "m" / "tiny").mkdir(parents=True)
        plant(tmp_path / "m" / "tiny" / "decoder.onnx")
        assert "it is not a regular file" in refusal(tmp_path / "m")

    @pytest.mark.parametrize("name", ["index.json", "index.json.sig"])
    def test_as_a_file_of_a_tree(self, plant, tmp_path, genzoo, name):
        (tmp_path / "index.json").write_text("{}")
        (tmp_path / name).unlink(missing_ok=True)
        plant(tmp_path / name)
        code, _, err = genzoo("pull", "tiny", "--index", tmp_path, "--key", tmp_path / "key.pem")
        assert code == 1 and f"{name} of {tmp_path} cannot be read (it is not a regular f" in err

    def test_as_the_record_of_a_model(self, plant, tmp_path, mirror):
        directory = fetch(mirror)
        record = directory.with_suffix(".json")
        record.unlink()
        plant(record)
        with pytest.raises(GenzooError, match=r"\.json was altered; delete it"):
            cache.copies()

    def test_as_what_has_arrived_of_a_file(self, plant, mirror):
        directory = cache.folder("tiny", ENTRY)
        directory.mkdir(parents=True)
        part = directory / ".decoder.onnx.part"
        plant(part)
        if part.is_dir():
            assert "cannot be written (Is a directory)" in refusal(mirror)
        else:
            assert (fetch(mirror) / "decoder.onnx").read_bytes() == FILES["decoder.onnx"]


@pytest.mark.parametrize("name", ["a\0b", "a\ud800", "x" * 5000])
def test_names_that_no_file_can_have(tmp_path, name):
    with pytest.raises(OSError):
        open_regular(tmp_path / name)


def test_surroundings_command_no_terminal(monkeypatch, tmp_path):
    evil = "\x1b[31m\x9b2J\u202e"
    monkeypatch.setenv("GENZOO_HOME", str(tmp_path / evil))
    (tmp_path / evil).write_text("no folder")
    messages = [refusal("/nowhere"), refusal(f"/nowhere{evil}")]
    for ask in (
        lambda: mirrors.in_order([f"ftp://{evil}"]),
        lambda: hub.find(evil),
        lambda: open_tree(f"/nowhere{evil}"),
        lambda: open_tree(f"https://h/{evil}"),
    ):
        with pytest.raises(GenzooError) as caught:
            ask()
        messages.append(str(caught.value))
    for message in messages:
        assert all(letter.isprintable() for letter in message)
