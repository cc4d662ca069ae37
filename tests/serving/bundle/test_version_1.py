"""Bundles of version 1 are read, checked and run as they were when they were written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import serving
from serving.bundle.manifest import Manifest, parse_manifest, read_manifest
from serving.bundle.records import BundleError
from serving.bundle.version_1 import upgraded
from serving.catalogue import MODELS
from serving.loader import runtime_of
from serving.verify import verify
from tests.serving.text.toy_language import only_characters

OLD = Path(__file__).parent / "version_1"  # what was drawn of each lies beside it
PUBLISHED = sorted(MODELS.glob("*/bundle.json"))


@pytest.mark.parametrize("name", ["images", "text"])
def test_they_load_and_verify(name):
    assert json.loads((OLD / name / "bundle.json").read_text())["schema_version"] == 1
    assert [check for check in verify(OLD / name) if not check.passed] == []
    assert serving.load(OLD / name, device="cpu").variant == "fp32"


def test_images_are_drawn_as_before():
    model = serving.load(OLD / "images", device="cpu")
    images = model.generate(3, [0, 1, 2], seed=7)
    wanted = np.load(OLD / "images.npy")
    assert np.abs(images.astype(int) - wanted).max() <= 1  # processors add up in other orders
    assert model.reconstruct(images, [0, 1, 2]).shape == images.shape


def test_text_is_written_as_before():
    model = serving.load(OLD / "text", device="cpu")
    plain = {"logit_bias": only_characters(model.tokenizer)}
    written = model.generate("abc", 24, temperature=0.8, top_k=9, seed=7, **plain)
    assert written == (OLD / "text.txt").read_text(encoding="utf-8")


def test_what_is_read_is_what_version_2_says():
    images, text = (read_manifest(OLD / name) for name in ("images", "text"))
    assert (images.schema_version, images.content, text.content) == (2, "image", "text")
    assert text.assets == {"tokenizer": "tokenizer.json"} and images.assets == {}
    assert "kind" not in text.processing and "tokenizer" not in text.processing
    assert images.main.parameters == images.parameters == 100
    assert images.main.license == images.license == "Apache-2.0"
    assert images.provenance.dataset == "none" and images.main.weights is None
    assert images.auto == {"cpu": ["fp32"], "cuda": ["fp32"]}
    for manifest in (images, text):
        assert parse_manifest(manifest.to_json().encode()) == manifest
        assert "generate" in runtime_of(manifest).declared(manifest)


def document(**changes):
    return json.loads((OLD / "text" / "bundle.json").read_text()) | changes


def test_flavours_become_forms():
    (portable,) = document()["variants"].values()
    flavours = {
        "fp32": "portable", "fp16": "portable", "int8": "portable", "static": "static",
        "static-fp16": "static", "static-int8": "static", "fused": "fused", "fused-int8": "fused",
    }  # fmt: skip
    variants = {name: portable | {"flavour": flavour} for name, flavour in flavours.items()}
    manifest = Manifest.model_validate(upgraded(document(variants=variants)))
    assert {name: each.form for name, each in manifest.variants.items()} == flavours
    devices = {name: each.devices for name, each in manifest.variants.items()}
    assert devices["fp32"] == ["cpu", "cuda", "web"] and devices["int8"] == ["cpu", "web"]
    assert devices["fp16"] == devices["static"] == devices["static-fp16"] == ["cuda"]
    assert devices["fused"] == devices["fused-int8"] == ["cpu"]
    assert devices["static-int8"] == []
    assert manifest.variants["fp32"].runtimes == {"onnxruntime": "1.17"}
    assert manifest.variants["fused"].runtimes == {"onnxruntime": "1.18"}
    assert manifest.variants["fused-int8"].runtimes == {"onnxruntime": "1.22"}
    assert manifest.auto["cpu"] == ["fused", "fp32", "static"]
    assert manifest.auto["cuda"] == ["static-fp16", "static", "fp16", "fp32"]


def test_weights_and_metrics_are_carried_over():
    pin = next(iter(document()["files"].values()))
    files = document()["files"] | {"model.weights.h5": pin}
    metrics = [{"name": name, "value": 1.0} for name in ("nll", "label_agreement")]
    manifest = Manifest.model_validate(upgraded(document(files=files, metrics=metrics)))
    assert manifest.main.weights == "model.weights.h5"
    assert [metric["better"] for metric in manifest.metrics] == ["lower", "higher"]


@pytest.mark.parametrize(
    "change",
    [
        {"family": None},
        {"processing": 7},
        {"processing": None},
        {"variants": []},
        {"variants": {"fp32": []}},
        {"variants": {"fp32": {"flavour": "sour"}}},
        {"metrics": [{}]},
        {"metrics": 3},
        {"files": None},
        {"parts": {}, "summary": 3},
        {"schema_version": 3},
    ],
)
def test_what_is_no_manifest_is_one_line(tmp_path, change):
    bundle = shutil.copytree(OLD / "text", tmp_path / "bundle")
    (bundle / "bundle.json").write_text(json.dumps(document(**change)))
    with pytest.raises(BundleError, match="is not a valid manifest") as caught:
        read_manifest(bundle)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.parent.name)
def test_every_published_manifest_holds_together(path):
    """Whichever version it was written in."""
    manifest = read_manifest(path.parent)
    assert manifest.name == path.parent.name
    makes = {"generate", "fill", "enlarge", "edit"}
    assert makes & runtime_of(manifest).declared(manifest).keys()
    for names in manifest.auto.values():
        assert names and set(names) <= set(manifest.variants)
    used = {file for variant in manifest.variants.values() for file in variant.graphs.values()}
    used |= {*manifest.assets.values(), *(part.weights for part in manifest.parts.values())}
    assert used <= set(manifest.files)
    assert all(variant.runtimes for variant in manifest.variants.values())
