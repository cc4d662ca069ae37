"""A release lays Transformers out as the Hugging Face hub has them; bundles gain what it asks."""

import json
import shutil

import pytest

from export import publish
from export.release.refresh import main, refresh
from serving.bundle.files import pin_of
from serving.bundle.manifest import read_manifest
from serving.catalogue import MODELS
from serving.errors import GenzooError
from tests.serving import tiny_bundle, tiny_text_bundle

NANO = MODELS / "gpt-shakespeare-nano"
NEW = ["config.json", "genai_config.json", "generation_config.json"]


@pytest.fixture
def texts(tmp_path):
    """A bundle of text that says in `config.json` what it is, in every form that is told apart."""
    bundle = tiny_text_bundle.write_bundle(tmp_path / "texts")
    (bundle / "config.json").write_text("{}")
    (bundle / "genai_config.json").write_text("{}")
    document = json.loads((bundle / "bundle.json").read_text())
    plain = document["variants"]["fp32"]
    variants = {"fp32": plain}
    for name, form in (("fp16", "portable"), ("int8", "portable"), ("fused", "fused")):
        shutil.copy(bundle / "model.onnx", bundle / f"model.{name}.onnx")
        variants[name] = plain | {"graphs": {"model": f"model.{name}.onnx"}, "form": form}
    tiny_bundle.reseal(bundle, variants=variants)
    return bundle


def test_graphs_have_the_names_that_others_look_for(texts, tmp_path, monkeypatch):
    monkeypatch.setattr("export.release.models.verify", lambda folder: [])
    images = tiny_bundle.write_bundle(tmp_path / "images")
    release = publish([texts, images], tmp_path / "release")
    assert [path.name for path in (release / "hub").iterdir()] == ["toy"]
    folder = release / "hub" / "toy"
    graphs = {path.name for path in (folder / "onnx").iterdir()}
    assert graphs == {"model.onnx", "model_fp16.onnx", "model_quantized.onnx"}
    quantized = folder / "onnx" / "model_quantized.onnx"
    assert quantized.read_bytes() == (texts / "model.int8.onnx").read_bytes()
    others = {path.name for path in folder.iterdir() if path.is_file()}
    files = ["README.md", "config.json", "test_vectors.npz", "tokenizer.json"]
    assert others == {*files, "tokenizer_config.json"}
    listed = (release / "SHA256SUMS").read_text()
    assert "hub/toy/onnx/model_quantized.onnx" in listed
    assert not (release / "models" / "toy" / "onnx").exists()


def test_a_disk_without_second_names(texts, tmp_path, monkeypatch):
    monkeypatch.setattr("export.release.models.verify", lambda folder: [])

    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr("os.link", refuse)
    release = publish([texts], tmp_path / "release")
    copy = release / "hub" / "toy" / "onnx" / "model.onnx"
    assert copy.read_bytes() == (texts / "model.onnx").read_bytes()


@pytest.fixture
def older(tmp_path):
    """A published model as an older export left it."""
    if not NANO.is_dir():
        pytest.skip("no checkout")
    own = shutil.copytree(NANO, tmp_path / NANO.name)
    document = json.loads((own / "bundle.json").read_text())
    for name in ("config.json", "generation_config.json"):
        (own / name).unlink(missing_ok=True)
        document["files"].pop(name, None)
    (own / "genai_config.json").write_text("{}")
    document["files"]["genai_config.json"] = pin_of(own / "genai_config.json").model_dump()
    (own / "bundle.json").write_text(json.dumps(document))
    return own


def test_a_bundle_gains_what_it_lacks(older):
    before = read_manifest(older)
    assert refresh(older) == NEW and refresh(older) == []
    after = read_manifest(older)
    assert set(after.files) == set(before.files) | set(NEW)
    assert all(after.files[name] == pin_of(older / name) for name in NEW)
    kept = before.files.keys() - set(NEW)
    assert {name: after.files[name] for name in kept} == {name: before.files[name] for name in kept}
    assert after.model_copy(update={"files": {}}) == before.model_copy(update={"files": {}})
    assert json.loads((older / "config.json").read_text())["model_type"] == "llama"
    decoder = json.loads((older / "genai_config.json").read_text())["model"]["decoder"]
    assert decoder["filename"] == "model.fused.onnx"


def test_the_command(older, tmp_path, capsys):
    assert main([str(older), str(older)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{older}: {', '.join(NEW)}" and second == f"{older}: as it is"
    assert main([str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("genzoo: ")


def test_a_bundle_that_is_not_whole_stays_as_it_is(older):
    (older / "model.weights.h5").write_bytes(b"none")
    files = {path.name: path.read_bytes() for path in older.iterdir()}
    with pytest.raises(GenzooError, match=r"model\.weights\.h5 has 4 bytes"):
        refresh(older)
    assert {path.name: path.read_bytes() for path in older.iterdir()} == files
