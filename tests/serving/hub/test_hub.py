"""Names and folders lead to bundles."""

import pytest

from serving import catalogue, hub
from serving.catalogue import Index
from serving.errors import UsageError
from tests.serving.hub.tiny_model import entry_of

ENTRY = entry_of({"bundle.json": b"{}", "decoder.onnx": b"graph"})


@pytest.fixture(autouse=True)
def one_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    index = Index(mirrors=["models"], models={"vae-mnist": ENTRY})
    monkeypatch.setattr(catalogue, "INDEX", tmp_path / "index.json")
    monkeypatch.setattr(catalogue, "index", lambda: index)
    monkeypatch.setenv("GENZOO_HOME", str(tmp_path / "home"))
    (tmp_path / "models" / "vae-mnist").mkdir(parents=True)


def test_a_name_is_the_catalogues_model_whatever_lies_here(tmp_path):
    (tmp_path / "vae-mnist").mkdir()
    assert hub.find("vae-mnist") == (tmp_path / "models" / "vae-mnist", ENTRY)


def test_a_folder_is_itself_and_pinned_by_nobody(tmp_path):
    (tmp_path / "vae-mnist").mkdir()
    for path in ("./vae-mnist", tmp_path / "vae-mnist", str(tmp_path / "vae-mnist")):
        source = hub.find(path)
        assert source.directory.samefile(tmp_path / "vae-mnist") and source.entry is None


def test_unknown_names_get_the_nearest_one():
    with pytest.raises(UsageError, match="did you mean 'vae-mnist'"):
        hub.find("vae-mnits")
    with pytest.raises(UsageError, match="genzoo list"):
        hub.find("zzz")


def test_a_file_is_not_a_bundle(tmp_path):
    (tmp_path / "decoder.onnx").touch()
    with pytest.raises(UsageError, match="expected a bundle directory"):
        hub.find("decoder.onnx")


def test_a_model_that_is_not_installed_is_of_the_cache(tmp_path):
    (tmp_path / "models" / "vae-mnist").rmdir()
    source = hub.find("vae-mnist")
    assert source.entry is ENTRY and source.directory.parent == tmp_path / "home/models/vae-mnist"
    assert source.name == "vae-mnist"
    assert hub.complete(source, []) == source and not (tmp_path / "home").exists()
