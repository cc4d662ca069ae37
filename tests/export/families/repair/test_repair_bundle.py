"""From photographs to a bundle, and what the bundle repairs."""

import base64
import io
import json
import shutil

import httpx
import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

import export
import serving
import zoo
from export.cli import main
from export.evaluation import evaluate
from serving.bundle.manifest import read_manifest
from serving.bundle.records import BundleError
from serving.errors import UsageError
from serving.photographs.photograph import Photograph
from serving.photographs.tasks import TASKS
from serving.verify import verify
from tests.javascript import assert_vectors
from tests.serving.server.running import running
from tests.zoo.repair.tiny_repair import recipe
from tests.zoo.restoration.tiny_restoration import draw, folder
from zoo.repair.task import mender_of

VARIANTS = ("fp32", "fp16", "int8")
NAME = "tiny-repairer"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A finished run; read only."""
    place = folder(tmp_path_factory.mktemp("data") / "photographs")
    path = tmp_path_factory.mktemp("runs") / "repairer"
    zoo.train(recipe(place, train__epochs=1, train__steps_per_epoch=20), path)
    return path


@pytest.fixture(scope="module")
def bundle(workdir, tmp_path_factory):
    """Every variant and a SavedModel, exported once; read only."""
    evaluate(workdir)
    out = tmp_path_factory.mktemp("bundles") / "repairer"
    return export.export(workdir, out, variants=VARIANTS)


@pytest.fixture(scope="module")
def served(bundle):
    return serving.load(bundle, device="cpu")


@pytest.fixture
def shell(capsys, monkeypatch):
    """A function that runs `genzoo` and returns its exit code, what it printed, and its errors."""

    def genzoo(*words):
        monkeypatch.setattr("sys.argv", ["genzoo", *map(str, words), "--device", "cpu"])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, *capsys.readouterr()

    return genzoo


def hole(height, width):
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 4 : width // 2] = 255
    return mask


def test_the_bundle_is_whole_and_takes_any_size(bundle):
    names = {path.name for path in bundle.iterdir()}
    graphs = {"model.onnx", "model.fp16.onnx", "model.int8.onnx"}
    others = {"README.md", "test_vectors.npz", "model.weights.h5", "bundle.json", "saved_model"}
    assert names == graphs | others | {"samples.png"}
    assert all(check.passed for check in verify(bundle))
    manifest = read_manifest(bundle)
    assert [*manifest.calls] == ["edit"] and manifest.metrics[0]["name"] == "psnr"
    assert manifest.calls["edit"]["parameters"]["task"]["choices"] == list(TASKS)
    graph = onnx.load(bundle / "model.onnx").graph
    laid = [node.op_type for node in graph.node].count("Transpose")
    assert laid <= 3  # of what comes in and goes out, of several channels
    session = onnxruntime.InferenceSession(bundle / "model.onnx")
    for count, height, width in ((1, 1, 1), (2, 5, 31), (1, 24, 8)):
        given = {
            "image": np.zeros((count, height, width, 3), np.float32),
            "mask": np.zeros((count, height, width, 1), np.float32),
            "task": np.arange(count),
        }
        assert session.run(None, given)[0].shape == (count, height, width, 3)


@pytest.mark.parametrize("task", TASKS)
def test_keras_and_onnx_repair_alike(workdir, served, task):
    pixels = draw(35, 28, 50)
    mask = hole(35, 28) if task == "inpaint" else None
    wanted = None if mask is None else mask > 0
    expected = mender_of(zoo.from_workdir(workdir)).pixels(pixels, task, wanted)
    found = served.edit(pixels, mask, task)
    assert found.shape == (35, 28, 3) and found.dtype == np.uint8
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_what_is_given_is_what_comes_back(served):
    grey = draw(9, 8, 1)[..., 0]
    assert served.edit(grey, task="denoise").shape == (9, 8)
    assert served.edit(grey, task="colourise").shape == (9, 8, 3)
    clear = np.dstack([draw(9, 8, 1), grey])
    filled = served.edit(clear, hole(9, 8))
    np.testing.assert_array_equal(filled[hole(9, 8) == 0], clear[hole(9, 8) == 0])
    two = served.edit([Image.fromarray(grey), Photograph.of(clear)], task="deblur")
    assert [each.image.mode for each in two] == ["L", "RGBA"]
    assert served.smallest().shape == (1, 2, 3)
    assert all(each.function() is not None for each in served.timed(1).values())
    with pytest.raises(UsageError, match="nothing says what to do; give a mask"):
        served.edit(grey)


def test_every_variant_repairs_and_an_evaluation_of_it_is_that_of_the_run(bundle, workdir):
    saved = json.loads((workdir / "metrics.json").read_text())["metrics"]
    for variant in VARIANTS:
        found = {each.name: each.value for each in evaluate(bundle, variant=variant)}
        for metric in saved:
            assert found[metric["name"]] == pytest.approx(metric["value"], rel=0.03)


def test_the_card_repairs_without_the_library(bundle, served, tmp_path, monkeypatch):
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert 'pipeline_tag: "image-to-image"' in card
    assert f'genzoo edit {NAME} PHOTOGRAPH --task "denoise"' in card
    for name in ("model.onnx", "samples.png"):
        shutil.copy(bundle / name, tmp_path)
    pixels = draw(30, 41, 60)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(pixels).save("photo.png")
    snippet = next(each for each in card.split("```python\n") if "import onnxruntime" in each)
    exec(snippet.partition("```")[0], {})
    found = np.asarray(Image.open("repaired.png"))
    assert np.abs(found.astype(int) - served.edit(pixels, task="denoise")).max() <= 1


def test_the_command_line_repairs_files(bundle, served, shell, tmp_path):
    photo, mask, out = (tmp_path / f"{name}.png" for name in ("photo", "mask", "out"))
    Image.fromarray(draw(20, 24, 3)).save(photo)
    Image.fromarray(hole(20, 24)).save(mask)
    code, said, _ = shell("edit", bundle, photo, "--mask", mask, "--out", out)
    assert not code and "1 photograph from tiny-repairer" in said
    expected = served.edit(draw(20, 24, 3), hole(20, 24))
    np.testing.assert_array_equal(np.asarray(Image.open(out)), expected)
    assert not shell("edit", bundle, photo, "--task", "deblur", "--out", tmp_path / "o.jpg")[0]
    assert Image.open(tmp_path / "o.jpg").size == (24, 20)
    both = tmp_path / "both"
    assert not shell("edit", bundle, photo, photo, "--task", "denoise", "--out", both)[0]
    assert len([*both.iterdir()]) == 2


def test_the_server_repairs_a_file_and_json(bundle, served):
    pixels, mask = draw(20, 24, 3), hole(20, 24)
    file, drawn = (Photograph.of(each).to_bytes(".png") for each in (pixels, mask))
    with running([bundle]) as found, httpx.Client(base_url=found.url, timeout=30) as client:
        address = f"/v1/calls/{NAME}/edit"
        headers = {"content-type": "image/png", "accept": "image/png"}
        answer = client.post(f"{address}?task=denoise", content=file, headers=headers)
        assert answer.status_code == 200, answer.text
        made = np.asarray(Image.open(io.BytesIO(answer.content)))
        np.testing.assert_array_equal(made, served.edit(pixels, task="denoise"))
        document = {
            name: f"data:image/png;base64,{base64.b64encode(each).decode()}"
            for name, each in (("photograph", file), ("mask", drawn))
        }
        answer = client.post(address, json=document, headers={"accept": "image/png"})
        made = np.asarray(Image.open(io.BytesIO(answer.content)))
        np.testing.assert_array_equal(made, served.edit(pixels, mask))
        refused = client.post(f"{address}?task=sharpen", content=file, headers=headers)
        assert refused.status_code == 400 and "expected one of inpaint" in refused.text
        refused = client.post(address, content=file, headers=headers)
        assert refused.status_code == 400 and "nothing says what to do" in refused.text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["photo.png"], "nothing says what to do; give a mask, to fill what it is white of, or"),
        (["photo.png", "--task", "sharpen"], "task is 'sharpen'; expected one of inpaint, colour"),
        (["photo.png", "--task", "inpaint"], "there is no mask"),
        (["photo.png", "--mask", "small.png"], "the mask has 4x4 pixels and the photograph 8x8"),
        (["photo.png", "--mask", "black.png"], "the mask is black everywhere"),
        (["photo.png", "--mask", "none.png"], "none.png cannot be read as a photograph: No such"),
        (["moving.gif", "--task", "denoise"], "is animated, or has 2 pictures; give a single one"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(bundle, words, said, shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(draw(8, 8, 0)).save("photo.png")
    for name, side in (("small", 4), ("black", 8)):
        Image.new("L", (side, side)).save(f"{name}.png")
    frames = [Image.fromarray(draw(8, 8, seed)) for seed in range(2)]
    frames[0].save("moving.gif", save_all=True, append_images=frames[1:])
    before = {*tmp_path.iterdir()}
    code, _, errors = shell("edit", bundle, *words)
    assert code == 2 and said in errors and errors.count("\n") == 1
    assert {*tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"multiple": 0}, "tiny-repairer is no model of family repair: processing.multiple"),
        ({"tasks": ["sharpen"]}, "processing.tasks"),
        ({"reach": 99_999}, "processing.reach"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(bundle, tmp_path, change, said):
    copied = shutil.copytree(bundle, tmp_path / "bundle")
    manifest = json.loads((copied / "bundle.json").read_text())
    manifest["processing"] |= change
    (copied / "bundle.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match=said):
        serving.load(copied, device="cpu")


@pytest.mark.long
def test_every_graph_gives_its_test_vectors_in_javascript(bundle, node, browser, web, tmp_path):
    assert_vectors(bundle, node, browser, web, tmp_path)
