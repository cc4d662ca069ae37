"""A corpus of hostile bundles: each is refused with a reason, and nothing of it is ever run.

What can hide in a graph is `test_scan`'s; here the same and more comes as whole bundles, through
the doors that users go in by.
"""

import json
import os
from itertools import takewhile

import keras
import onnx
import pytest
from onnx import helper

import serving
from serving.bundle.records import BundleError
from serving.catalogue import MODELS
from serving.errors import GenzooError
from serving.hub.tree import open_tree
from serving.runtime import session
from serving.verify import verify
from tests.serving import tiny_bundle, tiny_text_bundle
from tests.serving.graphs.test_scan import HIDING_PLACES

BOMB = b"[" * 2_000_000
NUMBER = b'{"schema_version": ' + b"9" * 100_000 + b"}"


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch):
    """Fail the test when a graph reaches ONNX Runtime or a file Keras' loader of models."""

    def refuse(*_, **__):
        pytest.fail("something hostile was loaded")

    monkeypatch.setattr(session.onnxruntime, "InferenceSession", refuse)
    monkeypatch.setattr(keras.saving, "load_model", refuse)
    monkeypatch.setattr(keras.models, "load_model", refuse)
    monkeypatch.setattr(keras.layers.Lambda, "from_config", refuse)


@pytest.fixture
def own_text(tmp_path):
    return tiny_text_bundle.write_bundle(tmp_path / "own-text")


def refusal(bundle):
    """Return why a bundle is not loaded; `verify` must find a reason too, before it runs any."""
    with pytest.raises(BundleError) as caught:
        serving.load(bundle, device="cpu")
    assert "\n" not in str(caught.value)
    assert not next(check for check in verify(bundle) if not check.passed).passed
    return str(caught.value)


def change_manifest(bundle, change):
    path = bundle / "bundle.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    path.write_text(json.dumps(manifest))


def change_graph(bundle, change):
    model = onnx.load(bundle / "decoder.onnx")
    change(model)
    (bundle / "decoder.onnx").write_bytes(model.SerializeToString())
    tiny_bundle.reseal(bundle)


@pytest.mark.parametrize("name", ["../evil.onnx", "/etc/passwd", "a/b", "..", ".hidden", "a\\b"])
def test_files_outside_the_folder(own, name):
    def listed(manifest):
        manifest["files"][name] = manifest["files"]["decoder.onnx"]

    def used(manifest):
        manifest["variants"]["fp32"]["graphs"]["decoder"] = name

    whole = (own / "bundle.json").read_bytes()
    for change in (listed, used):
        (own / "bundle.json").write_bytes(whole)
        change_manifest(own, change)
        assert f"{name!r} is not a plain name" in refusal(own)


@pytest.mark.parametrize("name", ["decoder.onnx", "bundle.json"])
def test_symbolic_links(own, tmp_path, name):
    (own / name).rename(tmp_path / "elsewhere")
    (own / name).symlink_to(tmp_path / "elsewhere")
    assert "is a link or not a regular file" in refusal(own)


def test_a_second_name_of_a_file_gives_no_way_in(own, tmp_path):
    """Hard links are let pass, since installers make them: the bytes that are read are hashed."""
    os.link(own / "decoder.onnx", tmp_path / "elsewhere")
    before_any_runs = takewhile(lambda check: not check.name.startswith("graphs"), verify(own))
    assert all(check.passed for check in before_any_runs)


def test_what_is_changed_through_a_second_name_is_refused(own, tmp_path):
    os.link(own / "decoder.onnx", tmp_path / "elsewhere")
    data = (tmp_path / "elsewhere").read_bytes()
    (tmp_path / "elsewhere").write_bytes(b"x" + data[1:])
    assert "was altered" in refusal(own)


@pytest.mark.parametrize("hide", HIDING_PLACES)
def test_external_data(own, hide):
    change_graph(own, hide)
    assert "decoder.onnx is refused" in refusal(own)


@pytest.mark.parametrize(
    ("operator", "domain"),
    [
        ("NoSuchOperator", ""),
        ("MatMul", "evil"),
        ("MatMul", "ai.onnx"),
        ("EPContext", "com.microsoft"),
        ("NoSuchOperator", "com.microsoft"),
        ("TreeEnsemble", "ai.onnx.ml"),
        ("PyOp", "pyopmulti_1"),
        ("ATen", "org.pytorch.aten"),
    ],
)
def test_operators(own, operator, domain):
    def change(model):
        model.graph.node.append(helper.make_node(operator, ["z"], ["q"], domain=domain))

    change_graph(own, change)
    assert "is not on the list of allowed ones" in refusal(own)


@pytest.mark.parametrize("dims", [[2**40, 2**20], [-1, 4], [2**62, 4], [3], []])
def test_shapes_without_the_data(own, dims):
    def change(model):
        model.graph.initializer[0].ClearField("dims")
        model.graph.initializer[0].dims.extend(dims)

    change_graph(own, change)
    assert "has not the data for" in refusal(own)


def test_shapes_without_the_data_in_an_attribute(own):
    def change(model):
        value = onnx.TensorProto(data_type=1, dims=[2**40], float_data=[0.5])
        model.graph.node.append(helper.make_node("Constant", [], ["q"], value=value))

    change_graph(own, change)
    assert "has not the data for" in refusal(own)


def test_types_that_do_not_exist(own):
    change_graph(own, lambda model: setattr(model.graph.initializer[0], "data_type", 99))
    assert "of type 99" in refusal(own)


@pytest.mark.parametrize("share", [0, 0.3, 0.999])
def test_truncated_graphs(own, share):
    data = (own / "decoder.onnx").read_bytes()
    (own / "decoder.onnx").write_bytes(data[: int(len(data) * share)])
    tiny_bundle.reseal(own)
    assert "decoder.onnx is refused" in refusal(own)


@pytest.mark.parametrize("data", [BOMB, b'{"a":' * 500_000, NUMBER, b"\xff\xfe", b'"' + b"a" * 10])
def test_bombs_for_a_manifest(own, data):
    (own / "bundle.json").write_bytes(data)
    assert "is not a valid manifest" in refusal(own)


def test_a_manifest_of_any_size(own):
    with (own / "bundle.json").open("wb") as file:
        file.truncate(10**11)  # which takes no space
    assert "is larger than" in refusal(own)


@pytest.mark.parametrize(
    "data", [BOMB, b'{"a":' * 500_000, NUMBER, b'{"models": {"../x": {}}}', b"not json", b"[]"]
)
def test_bombs_for_an_index(tmp_path, data):
    (tmp_path / "index.json").write_bytes(data)
    with pytest.raises(GenzooError, match="is not a valid index") as caught:
        open_tree(str(tmp_path))
    assert "\n" not in str(caught.value)


def test_an_index_of_any_size(tmp_path):
    with (tmp_path / "index.json").open("wb") as file:
        file.truncate(10**11)
    with pytest.raises(GenzooError, match="it is larger than"):
        open_tree(str(tmp_path))


@pytest.mark.parametrize("data", [BOMB, b'{"model":' * 500_000, NUMBER, b"\xff", b"{}", b""])
def test_bombs_for_a_tokenizer(own_text, data):
    (own_text / "tokenizer.json").write_bytes(data)
    tiny_bundle.reseal(own_text)
    assert "the tokenizer cannot be read" in refusal(own_text)


def test_a_tokenizer_of_any_size(own_text):
    def change(manifest):
        manifest["files"]["tokenizer.json"]["bytes"] = 10**11

    change_manifest(own_text, change)
    assert "tokenizer.json is larger than" in refusal(own_text)


def test_wrong_hashes(own):
    data = bytearray((own / "decoder.onnx").read_bytes())
    data[-1] ^= 1
    (own / "decoder.onnx").write_bytes(data)
    assert "was altered" in refusal(own)


@pytest.mark.parametrize("name", ["evil.onnx", "weights.bin", ".hidden", "custom_op.so"])
def test_files_that_are_not_listed(own, name):
    """They are never opened; `verify` says that they do not belong there."""
    (own / name).write_bytes(b"")
    check = next(check for check in verify(own) if not check.passed)
    assert check.name == "folder" and repr(name) in check.detail


def test_a_link_that_poses_as_a_saved_model(own, tmp_path):
    (own / "saved_model").symlink_to(tmp_path)
    assert next(check for check in verify(own) if not check.passed).name == "folder"


def test_a_card_cannot_command_the_terminal(own, capsys):
    from serving.commands.app import app, run

    (own / "README.md").write_text("# <script>x</script>\x1b]0;y\x07\x1b[2J\x9b31m\u202e\r\n")
    tiny_bundle.reseal(own)
    with pytest.raises(SystemExit):
        run(app, ["card", str(own)])
    shown = "# <script>x</script>?]0;y??[2J?31m?\n\n"
    assert capsys.readouterr().out == shown.replace("?", "\ufffd")


def test_a_whole_model_that_poses_as_weights(tmp_path):
    """A `.keras` file holds code in a Lambda layer; `load_weights` does not look for any."""
    import zoo

    bundle = tmp_path / "bundle"
    bundle.mkdir()
    evil = keras.Sequential([keras.Input((2,)), keras.layers.Lambda(lambda x: x * 2)])
    evil.save(tmp_path / "evil.keras")
    manifest = (MODELS / "vae-mnist-dense" / "bundle.json").read_text()
    (bundle / "bundle.json").write_text(manifest)
    (bundle / "model.weights.h5").write_bytes((tmp_path / "evil.keras").read_bytes())
    tiny_bundle.reseal(bundle)
    with pytest.raises(GenzooError, match="is no bundle with weights"):
        zoo.from_preset(bundle)
