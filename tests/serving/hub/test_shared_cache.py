"""A cache that several users share: each adds to what the others made, as far as they may."""

import os
import stat
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path

import pytest

from serving.errors import GenzooError
from serving.hub import cache
from tests.serving.hub.tiny_model import ENTRY, FILES, fetch

pytestmark = [
    pytest.mark.usefixtures("own_cache"),
    pytest.mark.skipif(
        sys.platform == "win32" or os.geteuid() != 0, reason="only root can be somebody else"
    ),
]
TEAM, FIRST, SECOND = 54321, 54322, 54323


@pytest.fixture
def place(monkeypatch):
    """A folder that everybody can reach, with a mirror; and its `home`, for the team alone."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "mirror" / "tiny").mkdir(parents=True)
        for file, data in FILES.items():
            (root / "mirror" / "tiny" / file).write_bytes(data)
        for path in (root / "mirror").rglob("*"):
            path.chmod(0o755)
        home = root / "home"
        home.mkdir()
        os.chown(home, 0, TEAM)
        home.chmod(0o770)
        monkeypatch.setenv("GENZOO_HOME", str(home))
        yield root


def as_user(user, work, *arguments, umask=0o022):
    """Do some work as a user of the team, and return what went wrong if anything did."""
    ours, theirs = get_context("fork").Pipe()

    def child():
        os.setgroups([TEAM])
        os.setgid(user)  # whose own group is another
        os.umask(umask)
        os.setuid(user)
        try:
            work(*arguments)
            theirs.send("")
        except Exception as error:
            theirs.send(f"{type(error).__name__}: {error}")

    process = get_context("fork").Process(target=child)
    process.start()
    process.join()
    return ours.recv()


def modes(folder):
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}


@pytest.mark.parametrize("umask", [0o022, 0o077])
@pytest.mark.parametrize("inherited", [0, stat.S_ISGID])
def test_the_second_user_adds_to_what_the_first_has_made(place, umask, inherited):
    (place / "home").chmod(0o770 | inherited)
    mirror = place / "mirror"
    assert as_user(FIRST, fetch, mirror, umask=umask) == ""
    assert as_user(SECOND, lambda: fetch(mirror, files=FILES, hashed=True), umask=umask) == ""
    directory = cache.folder("tiny", ENTRY)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == FILES
    assert as_user(SECOND, lambda: cache.remove(cache.copies()[0])) == ""
    assert not cache.copies()


def test_what_is_made_is_as_open_as_the_folder_and_not_more(place, monkeypatch):
    for mode, files in ((0o700, 0o600), (0o750, 0o640), (0o775, 0o664)):
        home = place / f"home-{mode:o}"
        home.mkdir()
        home.chmod(mode)
        monkeypatch.setenv("GENZOO_HOME", str(home))
        directory = fetch(place / "mirror")
        assert {*modes(directory).values()} == {files}
        found = modes(home / "models")
        assert {found["tiny"], found[directory.name]} == {mode}
        assert {found[f"{directory.name}.json"], found[f"{directory.name}.lock"]} == {files}


def test_the_second_user_begins_anew_what_the_first_left_unfinished(place):
    assert as_user(FIRST, lambda: fetch(place / "mirror", files=["README.md"])) == ""
    part = cache.folder("tiny", ENTRY) / ".decoder.onnx.part"
    part.write_bytes(FILES["decoder.onnx"][:1000])
    os.chown(part, FIRST, FIRST)
    part.chmod(0o644)
    assert as_user(SECOND, fetch, place / "mirror") == ""
    assert (part.parent / "decoder.onnx").read_bytes() == FILES["decoder.onnx"]


def test_where_it_is_forbidden_one_line_says_so(place):
    (place / "home").chmod(0o755)
    said = as_user(FIRST, fetch, place / "mirror")
    assert said.startswith("GenzooError: the cache ") and "cannot be written (Permission" in said
    assert said.endswith("set GENZOO_HOME to another folder") and "\n" not in said
    (place / "home").chmod(0o700)
    assert as_user(FIRST, fetch, place / "mirror").startswith("GenzooError: the cache ")


def test_what_others_have_brought_can_be_read(place):
    assert as_user(FIRST, fetch, place / "mirror", umask=0o077) == ""

    def read():
        directory = fetch("/nowhere", hashed=True)
        if (directory / "decoder.onnx").read_bytes() != FILES["decoder.onnx"]:
            raise GenzooError("other bytes")

    assert as_user(SECOND, read) == ""
