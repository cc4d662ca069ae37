"""From photographs to a bundle, and what the bundle makes of photographs."""

import io
import json
import shutil

import httpx
import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

import serving
import zoo
from export.cli import main
from export.evaluation import evaluate
from serving.bundle.manifest import read_manifest
from serving.bundle.records import BundleError
from serving.photographs.photograph import Photograph
from serving.verify import verify
from tests.export.families.restoration.conftest import VARIANTS
from tests.serving.server.running import running
from tests.zoo.restoration.tiny_restoration import draw
from zoo.restoration.task import enlarger_of

NAME = "tiny-restorer"


@pytest.fixture
def shell(capsys, monkeypatch):
    """A function that runs `genzoo` and returns its exit code, what it printed, and its errors."""

    def genzoo(*words):
        monkeypatch.setattr("sys.argv", ["genzoo", *map(str, words), "--device", "cpu"])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, *capsys.readouterr()

    return genzoo


def test_the_bundle_is_whole_and_takes_any_size(bundle):
    names = {path.name for path in bundle.iterdir()}
    graphs = {"model.onnx", "model.fp16.onnx", "model.int8.onnx"}
    others = {"README.md", "test_vectors.npz", "model.weights.h5", "bundle.json", "saved_model"}
    assert names == graphs | others | {"samples.png"}
    assert all(check.passed for check in verify(bundle))
    manifest = read_manifest(bundle)
    assert [*manifest.calls] == ["enlarge"] and manifest.metrics[0]["name"] == "psnr"
    graph = onnx.load(bundle / "model.onnx").graph
    (laid,) = (node for node in graph.node if node.op_type == "DepthToSpace")
    assert not any(each.name == "mode" and each.s != b"DCR" for each in laid.attribute)
    assert not {"If", "Loop", "Transpose"} & {node.op_type for node in graph.node}
    session = onnxruntime.InferenceSession(bundle / "model.onnx")
    for shape in ((1, 1, 1, 1), (2, 5, 31, 1)):
        (larger,) = session.run(None, {"image": np.zeros(shape, np.float32)})
        assert larger.shape == (shape[0], 3 * shape[1], 3 * shape[2], 1)


def test_the_bicubic_part_stays_exact_in_8_bits(bundle):
    nodes = onnx.load(bundle / "model.int8.onnx").graph.node
    weights = {node.output[0] for node in nodes if node.op_type == "DequantizeLinear"}
    rounded = {node.name: node.input[1] in weights for node in nodes if node.op_type == "Conv"}
    assert [name for name, each in rounded.items() if not each] == ["restorer/bicubic/Conv"]
    assert len(rounded) > 3


def test_keras_and_onnx_make_the_same_photographs(workdir, served):
    pixels = draw(35, 28, 50)
    expected = enlarger_of(zoo.from_workdir(workdir)).pixels(pixels)
    found = served.enlarge(pixels)
    assert found.shape == (105, 84, 3) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_what_is_given_is_what_comes_back(served):
    grey = draw(9, 8, 1)[..., 0]
    assert served.enlarge(grey).shape == (27, 24)
    assert served.enlarge(grey[..., None]).shape == (27, 24, 1)
    clear = np.dstack([draw(9, 8, 1), grey])
    assert served.enlarge(clear).shape == (27, 24, 4)
    two = served.enlarge([Image.fromarray(grey), Photograph.of(clear)])
    assert [each.image.mode for each in two] == ["L", "RGBA"]
    assert served.smallest().shape == (3, 3, 3)
    assert all(each.function() is not None for each in served.timed(1).values())


def test_every_variant_enlarges_and_an_evaluation_of_it_is_that_of_the_run(bundle, workdir):
    saved = json.loads((workdir / "metrics.json").read_text())["metrics"]
    for variant in VARIANTS:
        found = {each.name: each.value for each in evaluate(bundle, variant=variant)}
        for metric in saved:
            assert found[metric["name"]] == pytest.approx(metric["value"], rel=0.01)


def test_the_card_enlarges_without_the_library(bundle, served, tmp_path, monkeypatch):
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert 'pipeline_tag: "image-to-image"' in card
    assert f"genzoo enlarge {NAME} PHOTOGRAPH --scale 3" in card
    for name in ("model.onnx", "samples.png"):
        shutil.copy(bundle / name, tmp_path)
    pixels = draw(30, 40, 60)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(pixels).save("photo.jpg", quality=100)
    snippet = next(each for each in card.split("```python\n") if "import onnxruntime" in each)
    exec(snippet.partition("```")[0], {})
    found, ours = np.asarray(Image.open("large.png")), served.enlarge(Image.open("photo.jpg"))
    assert np.abs(found.astype(int) - ours.pixels).mean() < 2


def test_the_command_line_enlarges_files(bundle, served, shell, tmp_path):
    photo, out = tmp_path / "photo.png", tmp_path / "large.png"
    Image.fromarray(draw(20, 24, 3)).save(photo)
    code, said, _ = shell("enlarge", bundle, photo, "--scale", 3, "--out", out)
    assert not code and "1 photograph from tiny-restorer" in said
    expected = served.enlarge(draw(20, 24, 3))
    np.testing.assert_array_equal(np.asarray(Image.open(out)), expected)
    assert not shell("enlarge", bundle, photo, "--out", tmp_path / "large.jpg")[0]
    assert Image.open(tmp_path / "large.jpg").size == (72, 60)
    assert not shell("enlarge", bundle, photo, photo, "--out", tmp_path / "both")[0]
    assert len([*(tmp_path / "both").iterdir()]) == 2


def test_the_server_enlarges_a_file_and_json(bundle, served):
    pixels = draw(20, 24, 3)
    file = Photograph.of(pixels).to_bytes(".png")
    with running([bundle]) as found, httpx.Client(base_url=found.url, timeout=30) as client:
        address = f"/v1/calls/{NAME}/enlarge"
        headers = {"content-type": "image/png", "accept": "image/png"}
        answer = client.post(f"{address}?scale=3", content=file, headers=headers)
        assert answer.status_code == 200, answer.text
        made = np.asarray(Image.open(io.BytesIO(answer.content)))
        np.testing.assert_array_equal(made, served.enlarge(pixels))
        answer = client.post(address, content=file, headers={"content-type": "image/png"})
        assert answer.json()["photograph"].startswith("data:image/png;base64,")
        refused = client.post(f"{address}?scale=4", content=file, headers=headers)
        assert refused.status_code == 400 and "scale is 4" in refused.text
        refused = client.post(address, content=b"no picture", headers=headers)
        assert refused.status_code == 400 and "cannot be read as a photograph" in refused.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scale", "2"], "scale is 2; expected a whole number from 3 to 3"),
        (["--out", "large.xyz"], "cannot write 'large.xyz'; expected a name in .png, .jpg"),
        (["missing.png"], "missing.png cannot be read as a photograph: No such file"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(bundle, words, said, shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(draw(8, 8, 0)).save("photo.png")
    photo = [] if words[0].endswith(".png") else ["photo.png"]
    code, _, errors = shell("enlarge", bundle, *photo, *words)
    assert code == 2 and said in errors and errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"channels": 3}, "image is .*expected"),
        ({"reach": -1}, "tiny-restorer is no model of family restoration: processing.reach"),
        ({"scale": 99}, "processing.scale"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(bundle, tmp_path, change, said):
    copied = shutil.copytree(bundle, tmp_path / "bundle")
    manifest = json.loads((copied / "bundle.json").read_text())
    manifest["processing"] |= change
    (copied / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=said):
        serving.load(copied, device="cpu")
