"""From a run to a bundle and back, and every way in which that may fail."""

import errno
import json
import logging
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
import tensorflow as tf
from PIL import Image

import export
import serving
import zoo
from export import ExportError
from export.bundling.weights import compress
from export.evaluation import evaluate
from export.graph import divided
from export.run import open_run
from serving.bundle.manifest import read_manifest
from serving.errors import UsageError
from serving.measure.recording import HEADING, record
from serving.verify import verify


@pytest.fixture(scope="module")
def bundle(workdir, tmp_path_factory):
    """Everything there is, exported once; read only."""
    out = tmp_path_factory.mktemp("bundles") / "digits"
    return export.export(workdir, out, variants=["int8", "fp32", "fp16"])


@pytest.fixture
def own(workdir, tmp_path):
    """A run that the test may spoil."""
    return shutil.copytree(workdir, tmp_path / "run")


def test_the_bundle_is_whole(bundle, workdir):
    names = {path.name for path in bundle.iterdir()}
    graphs = {
        f"{role}{kind}.onnx" for role in ("encoder", "decoder") for kind in ("", ".fp16", ".int8")
    }
    others = {"README.md", "samples.png", "test_vectors.npz", "model.weights.h5", "bundle.json"}
    assert names == graphs | others | {"saved_model"}
    assert all(check.passed for check in verify(bundle))
    assert list(bundle.parent.iterdir()) == [bundle]
    manifest = read_manifest(bundle)
    assert list(manifest.variants) == ["fp32", "fp16", "int8"]
    assert set(manifest.files) == names - {"bundle.json", "saved_model"}
    assert manifest.provenance.recipe["model"]["hidden"] == [16]
    assert manifest.parameters == zoo.from_workdir(workdir).count_params()
    assert manifest.variants["fp32"].parity < 1e-4
    assert all(variant.quality for variant in manifest.variants.values())


def test_the_same_seed_gives_the_same_images(bundle, workdir):
    expected = zoo.from_workdir(workdir).generate(20, seed=7).astype(int)
    found = serving.load(bundle, device="cpu").generate(20, seed=7)
    assert np.abs(found - expected).max() <= 1


def test_the_weights_are_those_of_the_model(bundle, workdir):
    model = zoo.VAE(read_manifest(bundle).provenance.recipe["model"])
    model.load_weights(bundle / "model.weights.h5")
    expected = zoo.from_workdir(workdir).generate(2, seed=1)
    np.testing.assert_array_equal(model.generate(2, seed=1), expected)


def test_weights_are_compressed_and_not_altered(workdir, tmp_path):
    model = zoo.from_workdir(workdir)
    for variable in model.variables:
        value = variable.numpy()
        variable.assign(value if value.ndim < 2 else tf.cast(tf.cast(value, "bfloat16"), "float32"))
    plain, small = tmp_path / "plain.weights.h5", tmp_path / "small.weights.h5"
    model.save_weights(plain)
    compress(plain, small)
    again = zoo.from_workdir(workdir)
    again.load_weights(small)
    for before, after in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert small.stat().st_size < 0.7 * plain.stat().st_size


def test_the_samples_are_a_picture_of_64(bundle):
    assert Image.open(bundle / "samples.png").size == (8 * 30 - 2, 8 * 30 - 2)


def test_the_snippet_on_the_card_runs_without_this_project(bundle):
    snippet = (bundle / "README.md").read_text().split("```python\n")[2].split("```")[0]
    assert "decoder.onnx" in snippet
    code = f"{snippet}\nimport sys\nassert 'tensorflow' not in sys.modules\nprint(pixels.shape)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=bundle, capture_output=True, text=True
    )
    assert done.stdout.strip() == "(16, 28, 28, 1)", done.stderr


def test_no_graph_speaks_of_tensorflow_names(bundle):
    model = onnx.load(bundle / "decoder.onnx")
    assert [value.name for value in model.graph.input] == ["z"]
    assert [value.name for value in model.graph.output] == ["image", "parameters"]


@pytest.mark.long
def test_formats_one_at_a_time(workdir, tmp_path):
    saved = export.export(workdir, tmp_path / "saved", formats=["saved_model"])
    assert (saved / "saved_model" / "saved_model.pb").is_file()
    assert not list(saved.glob("*.onnx")) and not read_manifest(saved).variants
    graphs = export.export(workdir, tmp_path / "graphs", formats=["onnx"], name="renamed")
    assert not (graphs / "saved_model").exists()
    assert read_manifest(graphs).name == "renamed"


def test_a_new_export_has_no_costs_until_they_are_recorded(bundle, tmp_path):
    own = shutil.copytree(bundle, tmp_path / "own")
    assert all(variant.cost for variant in record(own, seconds=0).variants.values())
    again = export.export(own, own, formats=["onnx"])
    assert not [variant.cost for variant in read_manifest(again).variants.values() if variant.cost]
    assert HEADING not in (again / "README.md").read_text()


# --- evaluation ---


def test_keras_and_onnx_measure_alike_and_the_card_shows_it(own, tmp_path):
    measured = {metric.name: metric for metric in evaluate(own, quick=True)}
    bundle = export.export(own, tmp_path / "bundle", formats=["onnx"])
    again = {metric.name: metric for metric in evaluate(bundle, quick=True)}
    assert measured.keys() == again.keys()
    for name, metric in measured.items():
        assert again[name].value == pytest.approx(metric.value, rel=1e-3), name
    manifest = read_manifest(bundle)
    assert manifest.metrics[0]["name"] == "nll"
    assert {metric["name"] for metric in manifest.metrics} == measured.keys()
    assert f"{measured['psnr'].value:.4g}" in (bundle / "README.md").read_text()
    assert (own / "figures" / "reconstructions.png").is_file()


def test_metrics_of_other_weights_are_refused(own, tmp_path):
    evaluate(own, overrides={"evaluate.limit": 4, "evaluate.importance_samples": 2})
    model = zoo.from_workdir(own)
    model.weights[0].assign_add(np.ones(model.weights[0].shape))
    model.save_weights(own / "best.weights.h5")
    with pytest.raises(ExportError, match="measures other weights"):
        export.export(own, tmp_path / "bundle")
    assert not (tmp_path / "bundle").exists()


def test_only_evaluate_keys_can_be_set(own):
    with pytest.raises(UsageError, match=r"unknown key 'train.epochs'"):
        evaluate(own, overrides={"train.epochs": 3})
    with pytest.raises(UsageError, match=r"did you mean 'evaluate.limit'"):
        evaluate(own, overrides={"evaluate.limits": 3})


# --- failures ---


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"formats": ["tflite"]}, "unknown format 'tflite'; there are saved_model, onnx"),
        ({"variants": ["fp64"]}, "unknown variant 'fp64'; did you mean"),
        ({"variants": []}, "no variant is given"),
    ],
)
def test_unknown_words(workdir, tmp_path, given, complaint):
    with pytest.raises(UsageError, match=complaint):
        export.export(workdir, tmp_path / "bundle", **given)


def test_a_directory_that_is_no_run(tmp_path):
    with pytest.raises(UsageError, match="is not a work directory"):
        export.export(tmp_path, tmp_path / "bundle")


def test_weights_of_another_recipe(own, tmp_path):
    recipe = own / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("latent_dim = 4", "latent_dim = 5"))
    with pytest.raises(ExportError, match=r"does not hold the weights of recipe.toml"):
        export.export(own, tmp_path / "bundle")


def test_truncated_weights(own, tmp_path):
    weights = own / "best.weights.h5"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ExportError, match="does not hold the weights"):
        export.export(own, tmp_path / "bundle")


def test_a_name_that_will_not_do(workdir, tmp_path):
    with pytest.raises(UsageError, match=r"name '\.\./up' will not do"):
        export.export(workdir, tmp_path / "bundle", formats=["saved_model"], name="../up")
    assert not list(tmp_path.iterdir())


def test_a_full_disk_in_the_middle(workdir, tmp_path, monkeypatch):
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "bundle.json").write_text("the old one")
    save, saved = divided._save, []

    def full(model, path):
        if saved:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        saved.append(path)
        save(model, path)

    monkeypatch.setattr(divided, "_save", full)
    with pytest.raises(ExportError, match=r"cannot be written \(No space left on device\)"):
        export.export(workdir, out, formats=["onnx"])
    assert saved and list(tmp_path.iterdir()) == [out]
    assert (out / "bundle.json").read_text() == "the old one"


def test_an_export_that_is_not_faithful_is_not_written(workdir, tmp_path, monkeypatch):
    convert = export.bundling.variants.converter.convert

    def wrong(spec):
        model = convert(spec)
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT and len(tensor.dims) == 2:
                tensor.raw_data = bytes(len(tensor.raw_data))
                break
        return model

    monkeypatch.setattr(export.bundling.variants.converter, "convert", wrong)
    with pytest.raises(ExportError, match=r"decoder: output .* differs from Keras by"):
        export.export(workdir, tmp_path / "bundle")
    assert not list(tmp_path.iterdir())


def test_a_damaged_bundle_is_not_published(workdir, tmp_path, monkeypatch):
    vectors = export.bundling.exporter._Export._write_vectors

    def wrong(self):
        vectors(self)
        path = self.directory / "test_vectors.npz"
        arrays = {name: array + 1 for name, array in np.load(path).items()}
        np.savez(path, **arrays)

    monkeypatch.setattr(export.bundling.exporter._Export, "_write_vectors", wrong)
    with pytest.raises(ExportError, match="the bundle is wrong: results fp32: results differ"):
        export.export(workdir, tmp_path / "bundle", formats=["onnx"])
    assert not list(tmp_path.iterdir())


def test_a_run_with_half_a_record_or_half_an_evaluation(own):
    (own / "metrics.json").write_text('{"metrics": [')
    with pytest.raises(ExportError, match=r"metrics.json is not whole; run `genzoo evaluate "):
        open_run(own).metrics()
    for text in ('{"steps": 1}', '{"steps"'):
        (own / "training.json").write_text(text)
        with pytest.raises(ExportError, match=r"training.json is missing or not whole"):
            open_run(own)


def test_progress_is_told_once(workdir, tmp_path, caplog):
    with caplog.at_level(logging.INFO, "export"):
        export.export(workdir, tmp_path / "bundle", formats=["onnx"])
    told = [record.message for record in caplog.records if record.name.startswith("export")]
    assert len(told) == 2 and told[0].startswith("fp32: within")
    assert json.loads((tmp_path / "bundle" / "bundle.json").read_text())["schema_version"] == 2
