"""From photographs and paintings to a bundle, and what the bundle makes of photographs."""

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
from serving.photographs.style_file import Style
from serving.verify import verify
from tests.javascript import assert_vectors
from tests.serving.server.running import running
from tests.zoo.restoration.tiny_restoration import draw
from tests.zoo.style.tiny_style import folders, recipe
from zoo.style.model import styler_of

pytestmark = pytest.mark.long  # its export is the longest of all families

VARIANTS = ("fp32", "fp16", "int8")
NAME = "tiny-painter"


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A finished run; read only."""
    places = folders(tmp_path_factory.mktemp("data"))
    path = tmp_path_factory.mktemp("runs") / "painter"
    zoo.train(recipe(places, train__epochs=1), path)
    return path


@pytest.fixture(scope="module")
def bundle(workdir, tmp_path_factory):
    """Every variant, exported once; read only."""
    evaluate(workdir)
    out = tmp_path_factory.mktemp("bundles") / "painter"
    return export.export(workdir, out, variants=VARIANTS)


@pytest.fixture(scope="module")
def served(bundle):
    return serving.load(bundle, device="cpu")


@pytest.fixture
def shell(capsys, monkeypatch):
    """A function that runs `genzoo` and returns its exit code, what it printed, and its errors."""

    def genzoo(*words):
        where = () if words[0] == "whence" else ("--device", "cpu")
        monkeypatch.setattr("sys.argv", ["genzoo", *map(str, words), *where])
        with pytest.raises(SystemExit) as stopped:
            main()
        return stopped.value.code, *capsys.readouterr()

    return genzoo


def test_the_bundle_is_whole_and_its_graphs_take_any_size(bundle):
    names = {path.name for path in bundle.iterdir()}
    graphs = {f"{role}{form}.onnx" for role in ("painter", "predictor")
              for form in ("", ".fp16", ".int8")}  # fmt: skip
    others = {"README.md", "test_vectors.npz", "model.weights.h5", "bundle.json", "saved_model"}
    assert names == graphs | others | {"samples.png", "styles.json"}
    assert all(check.passed for check in verify(bundle))
    manifest = read_manifest(bundle)
    assert [*manifest.calls] == ["restyle", "learn_style"]
    assert manifest.metrics[0]["name"] == "style_left"
    for role in ("painter", "predictor"):
        graph = onnx.load(bundle / f"{role}.onnx").graph
        assert not {"If", "Loop"} & {node.op_type for node in graph.node}
        pads = [node for node in graph.node if node.op_type == "Pad"]
        modes = {each.s for node in pads for each in node.attribute if each.name == "mode"}
        assert modes == {b"reflect"}
    session = onnxruntime.InferenceSession(bundle / "painter.onnx")
    for shape in ((1, 32, 57, 3), (2, 45, 33, 3)):
        given = {"image": np.zeros(shape, np.float32), "style": np.zeros((shape[0], 6), np.float32)}
        (painted,) = session.run(None, given)
        assert painted.shape == shape


def test_layouts_are_changed_at_the_edges_of_the_graphs_alone(bundle):
    for role, most in (("painter", 5), ("predictor", 3)):
        nodes = onnx.load(bundle / f"{role}.onnx").graph.node
        assert sum(node.op_type == "Transpose" for node in nodes) <= most


def test_nothing_of_what_judges_is_in_the_bundle(bundle):
    assert sum(path.stat().st_size for path in bundle.glob("*.onnx")) < 300_000


def test_keras_and_onnx_paint_the_same(workdir, served):
    styler = styler_of(zoo.from_workdir(workdir))
    photograph, painting = (Photograph.of(draw(48, 37, seed)) for seed in (50, 51))
    expected = styler.paint(photograph, styler.style(painting), alpha=0.7)
    found = served.restyle(photograph, painting, alpha=0.7)
    assert np.abs(found.pixels.astype(int) - expected.pixels).max() <= 1


def test_what_is_given_is_what_comes_back(served):
    grey = draw(9, 8, 1)[..., 0]
    assert served.restyle(grey, "01").shape == (9, 8, 3)
    clear = np.dstack([draw(9, 8, 1), grey])
    painted = served.restyle(clear, "01")
    assert painted.shape == (9, 8, 4)
    np.testing.assert_array_equal(painted[..., 3], grey)
    two = served.restyle([Image.fromarray(grey), Photograph.of(clear)], "01")
    assert [each.image.mode for each in two] == ["RGB", "RGBA"]
    assert served.smallest().shape == (1, 1, 3)
    assert all(each.function() is not None for each in served.timed(1).values())


def test_a_style_is_kept_named_mixed_and_weakened(served, tmp_path):
    photograph, painting = draw(40, 44, 3), draw(60, 50, 4)
    style = served.learn_style(painting)
    direct = served.restyle(photograph, painting)
    np.testing.assert_array_equal(served.restyle(photograph, style), direct)
    style.save(tmp_path / "mine.style")
    kept = Style.read(tmp_path / "mine.style")
    np.testing.assert_array_equal(served.restyle(photograph, kept), direct)
    assert [*served.styles] == ["01", "02", "03", "04", "05", "07"]
    named = served.restyle(photograph, "02")
    assert np.any(named != direct)
    one = served.restyle(photograph, [style, "02"], weights=[1, 0])
    np.testing.assert_array_equal(one, direct)
    half = served.restyle(photograph, [style, "02"])
    assert np.any(half != direct) and np.any(half != named)
    own = served.learn_style(photograph)
    np.testing.assert_array_equal(served.restyle(photograph, style, alpha=0.0),
                                  served.restyle(photograph, own))  # fmt: skip


@pytest.mark.parametrize(
    ("style", "said"),
    [
        ((), "no style is given; name a picture or a style, such as 01"),
        ("o1", "neither a picture nor a style 'o1'; did you mean '01'"),
        (Style(np.zeros(6, np.float32), "f" * 16), "the style is of model ffffffffffffffff"),
        (np.zeros((3, 3, 9), np.uint8), "expected uint8"),
        ({"a": 1}, "expected uint8"),
    ],
)
def test_what_is_no_style_is_one_line(served, style, said):
    with pytest.raises(UsageError, match=said) as raised:
        served.restyle(draw(9, 8, 1), style)
    assert "\n" not in str(raised.value)


def test_every_variant_paints_and_an_evaluation_of_it_is_that_of_the_run(bundle, workdir):
    saved = json.loads((workdir / "metrics.json").read_text())["metrics"]
    for variant in VARIANTS:
        found = {each.name: each.value for each in evaluate(bundle, variant=variant)}
        for metric in saved:
            assert found[metric["name"]] == pytest.approx(metric["value"], rel=0.15)


def test_the_card_restyles_without_the_library(bundle, served, tmp_path, monkeypatch):
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert 'pipeline_tag: "image-to-image"' in card and "`01`, `02`" in card
    assert f'genzoo restyle {NAME} PHOTOGRAPH --style "01"' in card
    for name in ("painter.onnx", "styles.json"):
        shutil.copy(bundle / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    Image.fromarray(draw(40, 50, 60)).save("photo.jpg", quality=100)
    snippet = next(each for each in card.split("```python\n") if "import onnxruntime" in each)
    exec(snippet.partition("```")[0], {})
    found, ours = Image.open("01.png"), served.restyle(Image.open("photo.jpg"), "01")
    assert np.abs(np.asarray(found).astype(int) - ours.pixels).max() <= 1


def test_the_command_line_restyles_files(bundle, served, shell, tmp_path):
    photo, painting, out = (tmp_path / name for name in ("photo.png", "art.png", "new.png"))
    Image.fromarray(draw(40, 36, 3)).save(photo)
    Image.fromarray(draw(50, 36, 4)).save(painting)
    code, said, errors = shell(
        "restyle", bundle, photo, "--style", painting, "--alpha", 0.7, "--out", out
    )
    assert not code and "1 photograph from tiny-painter" in said, errors
    expected = served.restyle(draw(40, 36, 3), draw(50, 36, 4), alpha=0.7)
    np.testing.assert_array_equal(np.asarray(Image.open(out)), expected)
    kept = tmp_path / "art.style"
    code, said, errors = shell("learn-style", bundle, painting, "--out", kept)
    assert not code and "1 style from tiny-painter" in said, errors
    mixture = ("--style", kept, "--style", "02", "--weights", 3, "--weights", 1)
    code, _, errors = shell("restyle", bundle, photo, *mixture, "--out", tmp_path / "mixed.jpg")
    assert not code, errors
    assert Image.open(tmp_path / "mixed.jpg").size == (36, 40)
    many = tmp_path / "many"
    assert not shell("restyle", bundle, photo, painting, "--style", "01", "--out", many)[0]
    assert len([*many.iterdir()]) == 2


def test_what_made_a_painting_makes_it_again(bundle, shell, tmp_path):
    photo, painting = (tmp_path / name for name in ("photo.png", "art.png"))
    Image.fromarray(draw(40, 36, 3)).save(photo)
    Image.fromarray(draw(50, 36, 4)).save(painting)
    made, again = tmp_path / "made.png", tmp_path / "again.png"
    for style, inputs in (("02", [photo]), (painting, [photo, painting])):
        assert not shell("restyle", bundle, photo, "--style", style, "--out", made)[0]
        code, _, errors = shell("whence", made, *inputs, "--again", again, "--model", bundle)
        assert not code, errors
        np.testing.assert_array_equal(np.asarray(Image.open(made)), np.asarray(Image.open(again)))


def test_the_server_restyles_by_name_and_by_picture(bundle, served):
    pixels, painting = draw(40, 36, 3), draw(50, 36, 4)
    file = Photograph.of(pixels).to_bytes(".png")
    with running([bundle]) as found, httpx.Client(base_url=found.url, timeout=30) as client:
        address = f"/v1/calls/{NAME}/restyle"
        headers = {"content-type": "image/png", "accept": "image/png"}
        answer = client.post(f"{address}?style=02&alpha=0.5", content=file, headers=headers)
        assert answer.status_code == 200, answer.text
        made = np.asarray(Image.open(io.BytesIO(answer.content)))
        np.testing.assert_array_equal(made, served.restyle(pixels, "02", alpha=0.5))
        style = client.post(
            f"/v1/calls/{NAME}/learn_style",
            content=Photograph.of(painting).to_bytes(".png"),
            headers={"content-type": "image/png"},
        ).json()["style"]
        content = _address(file)
        given = {"photograph": content, "style": [style, "02"], "weights": [1, 0]}
        answer = client.post(address, json=given)
        assert answer.status_code == 200, answer.text
        data = base64.b64decode(answer.json()["photograph"].partition(",")[2])
        made = np.asarray(Image.open(io.BytesIO(data)))
        np.testing.assert_array_equal(made, served.restyle(pixels, painting))
        refused = client.post(f"{address}?style=/etc/passwd", content=file, headers=headers)
        assert refused.status_code == 400 and "neither a picture nor a style" in refused.text
        refused = client.post(address, json={"photograph": content, "style": {"a": 1}})
        assert refused.status_code == 400, refused.text


def _address(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--style", "o1"], "neither a picture nor a style 'o1'"),
        (["--style", "none.jpg"], "none.jpg cannot be read as a photograph: No such file"),
        (["--style", "none.style"], "none.style cannot be read as a style: No such file"),
        (["--style", "01", "--alpha", "2"], "alpha is 2"),
        (["--style", "01", "--side", "9"], "side is 9; expected a whole number from 32 to 2048"),
        (["--style", "01", "--weights", "1", "--weights", "2"], "there are 2 weights of 1 styles"),
        ([], "no style is given"),
    ],
)
def test_what_is_asked_wrongly_is_one_line(bundle, words, said, shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.fromarray(draw(8, 8, 0)).save("photo.png")
    code, _, errors = shell("restyle", bundle, "photo.png", *words)
    assert code == 2 and said in errors and errors.count("\n") == 1, errors
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"style": 7}, "a style has another number of values than 7"),
        ({"model": "x"}, "tiny-painter is no model of family restyling: processing.model"),
        ({"styles": ["01"]}, "the styles of tiny-painter are not those that it names"),
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
