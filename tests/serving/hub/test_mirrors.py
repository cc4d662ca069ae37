"""Which places are places, who names them, and the Hugging Face hub as one."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from serving.catalogue import Index
from serving.catalogue.build import to_json
from serving.errors import GenzooError, UsageError
from serving.hub import mirrors, pull_from_tree
from tests.house import ROOT
from tests.serving.hub.faulty_server import serving_folder
from tests.serving.hub.tiny_model import DATA, ENTRY, FILES, fetch

pytestmark = pytest.mark.usefixtures("own_cache")


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
        mirrors.in_order([place])


def test_the_environment_names_mirrors(monkeypatch):
    monkeypatch.setenv("GENZOO_MIRROR", "https://a.example/m, /srv/zoo file:///mnt,")
    places = ["/srv/zoo", "file:///mnt", *mirrors.of_index(), "https://a.example/m"]
    assert mirrors.known_places() == places


def test_a_file_of_the_cache_names_mirrors(tmp_path):
    listed = tmp_path / "home" / "mirrors"
    listed.parent.mkdir()
    listed.write_text("# ours\nhttps://a.example/m\n\n  /srv/the zoo \nnear by\n../up\n~/zoo\n")
    near, up = str(tmp_path / "home" / "near by"), str(tmp_path / "up")
    local = ["/srv/the zoo", near, up, "~/zoo", *mirrors.of_index()]
    assert mirrors.known_places() == [*local, "https://a.example/m"]
    assert mirrors.folder("~/zoo") == Path("~/zoo").expanduser()


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (lambda path: path.write_bytes(b"\xff"), "cannot be read .it is not UTF-8.; write"),
        (lambda path: path.mkdir(), "cannot be read .it is not a regular file.; write"),
        (os.mkfifo, "cannot be read .it is not a regular file.; write"),
        (lambda path: path.symlink_to("/dev/zero"), "cannot be read .it is not a regular file."),
        (lambda path: path.write_text("ftp://h\n"), "the mirror 'ftp://h' cannot be used"),
    ],
)
def test_a_file_of_mirrors_that_is_none(tmp_path, plant, words):
    (tmp_path / "home").mkdir()
    plant(tmp_path / "home" / "mirrors")
    with pytest.raises(GenzooError, match=words):
        mirrors.known_places()


def test_a_tree_names_folders_of_its_own_and_addresses_elsewhere(tmp_path):
    (tmp_path / "tree").mkdir()
    named = ["models", "./a/b", ".", "../x", "a/../../x", "/etc", "~/x", "\\\\h\\x", "file:///etc",
             "https://h/x", "http://127.0.0.1/x", "http://localhost:1/x"]  # fmt: skip
    inside = ["/models", "/a/b", ""]
    elsewhere = ["https://h/x"]
    here = [*elsewhere, "http://127.0.0.1/x", "http://localhost:1/x"]
    for root, outer in (
        (str(tmp_path / "tree"), here),
        ("https://t/zoo", elsewhere),
        ("hf://owner/zoo", elsewhere),
        ("http://127.0.0.1:8000", here),
    ):
        assert mirrors.of_tree(root, named) == [*(root + inner for inner in inside), *outer]


def test_a_tree_with_a_mirror_of_its_own(tmp_path, mirror):
    """Relative to the tree, here and on a server."""
    index = Index(mirrors=["files"], models={"tiny": ENTRY})
    root = tmp_path / "tree"
    shutil.copytree(mirror, root / "files")
    (root / "index.json").write_text(to_json(index))
    digest = hashlib.sha256((root / "index.json").read_bytes()).hexdigest()
    with serving_folder(root) as server:
        for place in (str(root), f"file://{root}", server.url):
            directory = pull_from_tree("tiny", place, sha256=digest)
            assert {path.name: path.read_bytes() for path in directory.iterdir()} == FILES
            shutil.rmtree(directory)


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
