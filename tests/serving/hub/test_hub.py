"""Names and folders lead to bundles."""

import pytest

from serving import hub
from serving.catalogue import Entry, Pin
from serving.errors import GenzooError, UsageError

ENTRY = Entry(
    family="vae",
    task="",
    summary="",
    dataset="",
    dataset_license="",
    license="",
    parameters=1,
    metric=None,
    variants={},
    files={},
)


@pytest.fixture(autouse=True)
def one_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "MODELS", tmp_path / "models")
    monkeypatch.setattr(hub, "models", lambda: {"vae-mnist": ENTRY})
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


def test_a_model_that_is_not_installed_is_of_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENZOO_HOME", str(tmp_path / "home"))
    (tmp_path / "models" / "vae-mnist").rmdir()
    source = hub.find("vae-mnist")
    assert source.entry is ENTRY and source.directory.parent == tmp_path / "home/models/vae-mnist"
    hub.complete(source, [])
    assert not (tmp_path / "home").exists()


def test_without_a_mirror_one_is_told_what_to_do(tmp_path, monkeypatch):
    entry = ENTRY.model_copy(update={"files": {"a": Pin(sha256="0" * 64, bytes=1)}})
    monkeypatch.setenv("GENZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(hub, "models", lambda: {"other": entry})
    with pytest.raises(GenzooError, match="reinstall genzoo, or set GENZOO_MIRROR"):
        hub.complete(hub.find("other"), ["a"])
