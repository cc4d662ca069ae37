"""The catalogue's index is what the bundles are, and is made from them alone."""

import hashlib
import json

import pytest
from pydantic import ValidationError

from serving import catalogue
from serving.catalogue import MODELS
from serving.catalogue.build import build, rewrite, to_json
from serving.errors import GenzooError
from serving.hub import find, mirrors
from tests.serving import tiny_bundle


def write_bundle(folder, **changes):
    """Write as much of a bundle as the catalogue looks at."""
    folder.mkdir(parents=True)
    (folder / "decoder.onnx").write_bytes(b"graph")
    described = {
        "name": folder.name,
        "family": "vae",
        "content": "image",
        "task": "image generation",
        "interface": {"decoder": {"inputs": [], "outputs": []}},
        "processing": {},
        "metrics": [{"name": "nll", "value": 86, "unit": "nats/image", "samples": 3}],
    }
    tiny_bundle.write_manifest(folder, {"fp32": {"decoder": "decoder.onnx"}}, **described | changes)
    return folder


def test_the_shipped_index_is_up_to_date():
    """If this fails: `python -m serving.catalogue`."""
    index = build(MODELS).model_copy(update={"mirrors": ["../../zoo/models"]})
    assert to_json(index) == catalogue.INDEX.read_text(encoding="utf-8")
    assert mirrors.of_index() == [str(MODELS)]


def test_an_index_names_the_folder_that_it_is_made_from(tmp_path, monkeypatch):
    """By a path that holds wherever both of them are installed."""
    write_bundle(tmp_path / "a" / "models" / "one")
    (tmp_path / "b").mkdir()
    assert rewrite(tmp_path / "b" / "index.json", tmp_path / "a" / "models").mirrors == [
        "../a/models"
    ]
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    monkeypatch.setattr(catalogue, "INDEX", moved / "b" / "index.json")
    catalogue.index.cache_clear()
    try:
        assert find("one").directory == moved / "a" / "models" / "one"
    finally:
        catalogue.index.cache_clear()


def test_index_pins_every_file(tmp_path):
    folder = write_bundle(tmp_path / "one")
    entry = build(tmp_path).models["one"]
    manifest = (folder / "bundle.json").read_bytes()
    assert set(entry.files) == {"bundle.json", "decoder.onnx"}
    assert entry.files["bundle.json"].sha256 == hashlib.sha256(manifest).hexdigest()
    assert entry.files["bundle.json"].bytes == len(manifest)
    assert entry.size("fp32") == 5
    assert (entry.metric.value, entry.metric.better) == (86.0, "lower")
    assert entry.devices == {"fp32": ["cpu", "cuda", "web"]}


def test_index_survives_its_file(tmp_path, monkeypatch):
    write_bundle(tmp_path / "models" / "one", metrics=[])
    write_bundle(tmp_path / "models" / "another")
    index = build(tmp_path / "models")
    path = tmp_path / "index.json"
    path.write_text(to_json(index))
    monkeypatch.setattr(catalogue, "INDEX", path)
    catalogue.index.cache_clear()
    try:
        assert catalogue.models() == index.models
        assert list(catalogue.models()) == ["another", "one"]
    finally:
        catalogue.index.cache_clear()


def test_no_bundles_no_models(tmp_path):
    assert build(tmp_path / "none").models == {}
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "README.md").touch()
    assert build(tmp_path).models == {}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "decoder.onnx").write_bytes(b"other"),
        lambda folder: (folder / "extra.txt").write_text("not listed"),
        lambda folder: (folder / "saved_model").mkdir(),
        lambda folder: (folder / "bundle.json").unlink(),
        lambda folder: (folder / "bundle.json").write_text("{}"),
        lambda folder: (folder / "bundle.json").write_text("[]"),
        lambda folder: (folder / "bundle.json").write_text("not json"),
        lambda folder: folder.rename(folder.with_name("other")),
    ],
)
def test_a_bundle_that_is_not_whole_is_refused(tmp_path, spoil):
    spoil(write_bundle(tmp_path / "one"))
    with pytest.raises(GenzooError, match="export it again"):
        build(tmp_path)


@pytest.mark.parametrize("name", ["../x", "a/b", "a\\b", "", ".", "..", ".x", "x\n", "x" * 129])
def test_names_in_an_index_cannot_leave_their_folder(tmp_path, name):
    write_bundle(tmp_path / "one")
    index = build(tmp_path).model_dump()
    entry = index["models"]["one"]
    pin = entry["files"]["decoder.onnx"]
    for models in (
        {name: entry},
        {"one": entry | {"files": entry["files"] | {name: pin}}},
        {"one": entry | {"variants": {"fp32": [name]}}},
    ):
        with pytest.raises(ValidationError):
            catalogue.Index.model_validate(index | {"models": models})


def test_an_index_pins_every_graph_and_manifest(tmp_path):
    write_bundle(tmp_path / "one")
    index = build(tmp_path).model_dump()
    for missing in ("decoder.onnx", "bundle.json"):
        files = {k: v for k, v in index["models"]["one"]["files"].items() if k != missing}
        models = {"one": index["models"]["one"] | {"files": files}}
        with pytest.raises(ValidationError, match="is not among the files"):
            catalogue.Index.model_validate(index | {"models": models})


def test_costs_come_from_the_manifest_where_it_has_them(tmp_path):
    speed = {"value": 100.0, "unit": "images/s", "batch": 1, "device": "cpu", "threads": 1}
    cost = {"speed": speed, "hardware": "a CPU", "date": "2026-11-25"}
    folder = write_bundle(tmp_path / "one")
    write_bundle(tmp_path / "two")
    variants = json.loads((folder / "bundle.json").read_text())["variants"]
    tiny_bundle.reseal(folder, variants={"fp32": variants["fp32"] | {"cost": cost}})
    models = build(tmp_path).models
    assert models["one"].costs["fp32"].speed.unit == "images/s"
    assert models["one"].costs["fp32"].memory is None and models["two"].costs == {}
