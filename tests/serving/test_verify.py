"""`verify` says what is right with a bundle, and finds what is wrong."""

import io
import json

import numpy as np
import onnx
import pytest

from serving.bundle.manifest import read_manifest
from serving.catalogue import MODELS, models
from serving.verify import verify
from tests.serving import tiny_bundle


def failures(directory):
    return {check.name: check.detail for check in verify(directory) if not check.passed}


def test_good_bundles_pass_every_check(tiny, conditional):
    names = [check.name for check in verify(tiny) if check.passed]
    assert "manifest" in names and "file README.md" in names
    assert "graphs fp16" in names and "results fp16" in names
    assert not failures(tiny) and not failures(conditional)


def test_catalogue_bundle(catalogued):
    assert next(iter(verify("tiny"))).detail == "is the catalogue's"
    tiny_bundle.reseal(catalogued, summary="Another model.")
    assert list(failures("tiny")) == ["manifest"]


def test_altered_file(own):
    (own / "README.md").write_text("# other")
    assert list(failures(own)) == ["file README.md"]


def test_wrong_weights(own):
    model = onnx.load(own / "decoder.onnx")
    tensor = next(t for t in model.graph.initializer if t.name == "to_image")
    tensor.raw_data = (np.frombuffer(tensor.raw_data, np.float32) + 0.01).tobytes()
    onnx.save(model, own / "decoder.onnx")
    tiny_bundle.reseal(own)
    assert "differ from the Keras model's" in failures(own)["results fp32"]


def test_weights_that_are_no_numbers(own):
    model = onnx.load(own / "decoder.onnx")
    tensor = next(t for t in model.graph.initializer if t.name == "to_image")
    tensor.raw_data = np.full(tensor.dims, np.nan, np.float32).tobytes()
    onnx.save(model, own / "decoder.onnx")
    tiny_bundle.reseal(own)
    assert "differ from the Keras model's by nan" in failures(own)["results fp32"]


def test_dangerous_graph_is_never_run(own):
    model = onnx.load(own / "decoder.onnx")
    model.graph.node[0].domain = "evil"
    onnx.save(model, own / "decoder.onnx")
    tiny_bundle.reseal(own)
    assert set(failures(own)) == {"graphs fp32", "results fp32"}


def archive(**arrays):
    data = io.BytesIO()
    np.savez(data, **arrays)
    return data.getvalue()


def test_no_test_vectors(own):
    (own / "test_vectors.npz").unlink()
    tiny_bundle.reseal(own)
    assert "does not list" in failures(own)["results fp32"]


def test_limit_follows_the_variants_own_parity(own):
    """int8 may differ by what was measured when it was exported."""
    vectors = dict(np.load(own / "test_vectors.npz"))
    vectors["decoder.outputs.image"] += 0.01
    (own / "test_vectors.npz").write_bytes(archive(**vectors))
    variants = json.loads((own / "bundle.json").read_text())["variants"]
    tiny_bundle.reseal(own)
    assert failures(own)
    variants["fp32"]["parity"] = 0.008
    tiny_bundle.reseal(own, variants=variants)
    assert not failures(own)


@pytest.mark.parametrize("name", models())
def test_every_model_of_the_catalogue_gives_its_results_in_every_variant_that_is_here(name):
    checks = list(verify(name))
    assert not [check for check in checks if not check.passed]
    results = {check.name for check in checks if check.name.startswith("results ")}
    assert results == {
        f"results {variant}"
        for variant, described in read_manifest(MODELS / name).variants.items()
        if all((MODELS / name / file).exists() for file in described.graphs.values())
    }
    assert results
