"""A repository of Triton: its configurations are Triton's, its graphs run, its calls answer."""

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import serving
from export.errors import ExportError
from export.targets.bundled import Bundled
from export.targets.triton import write_triton
from serving.bundle.records import BundleError
from tests.export.targets import triton_python_backend_utils as backend
from tests.serving import tiny_bundle
from tests.serving.tiny_bundle import LATENT, SHAPE

model_config_pb2 = pytest.importorskip(
    "tritonclient.grpc.model_config_pb2", reason="tritonclient[grpc] is not installed"
)
from google.protobuf import json_format, text_format  # noqa: E402

NUMPY = {"TYPE_FP32": np.float32, "TYPE_INT64": np.int64, "TYPE_UINT8": np.uint8}


def config_of(folder):
    """Return a configuration as Triton's own message reads it; an unknown field is an error."""
    text = (folder / "config.pbtxt").read_text(encoding="utf-8")
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def kind(tensor):
    return model_config_pb2.DataType.Name(tensor.data_type)


@pytest.fixture(scope="module")
def repository(painter, vae, text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("triton") / "repository"
    for bundle in (painter, vae, text):
        write_triton(Bundled(str(bundle)), folder)
    return folder


def test_there_is_a_model_of_each_graph_and_call(repository):
    configs = {folder.name: config_of(folder) for folder in repository.iterdir()}
    assert {name: each.backend for name, each in configs.items() if "." not in name} == {
        "painter": "python", "tiny": "python", "toy": "python",
    }  # fmt: skip
    assert configs["tiny.decoder"].backend == configs["painter.generator"].backend == "onnxruntime"
    assert configs["tiny.reconstruct"].backend == "python"
    for name, config in configs.items():
        assert config.name == name and config.output and len(config.output[0].dims)
        assert (repository / name / "1").is_dir()
        assert not list((repository / name).glob(".*"))


def test_a_graph_is_batched_and_warmed(repository):
    config = config_of(repository / "painter.generator")
    assert config.max_batch_size == 64 and config.HasField("dynamic_batching")
    assert {each.name: list(each.dims) for each in config.input} == {"z": [LATENT], "labels": [1]}
    [labels] = [each for each in config.input if each.name == "labels"]
    assert labels.HasField("reshape") and not labels.reshape.shape
    assert [list(each.dims) for each in config.output] == [list(SHAPE)]
    assert [each.batch_size for each in config.model_warmup] == [1, 64]


def shaped(rows, tensor):
    """Return the shape that Triton gives to a graph of a tensor that a client sends."""
    inner = tensor.reshape.shape if tensor.HasField("reshape") else tensor.dims
    return (rows, *inner)


def test_what_triton_warms_a_graph_with_is_what_it_takes(repository):
    """As its ONNX Runtime backend would: the file named, types, shapes and names of the config."""
    tried = 0
    for folder in sorted(repository.iterdir()):
        config = config_of(folder)
        if config.backend != "onnxruntime":
            continue
        session = onnxruntime.InferenceSession(folder / "1" / config.default_model_filename)
        by_name = {each.name: each for each in config.input}
        for sample in config.model_warmup:
            feeds = {}
            for name, each in sample.inputs.items():
                assert list(each.dims) == list(by_name[name].dims)
                assert each.data_type == by_name[name].data_type
                shape = shaped(sample.batch_size, by_name[name])
                assert int(np.prod(shape)) == sample.batch_size * int(np.prod(each.dims))
                feeds[name] = np.zeros(shape, NUMPY[kind(each)])
            assert feeds.keys() == {each.name for each in session.get_inputs()}
            found = session.run([each.name for each in config.output], feeds)
            for array, output in zip(found, config.output, strict=True):
                assert array.shape == shaped(sample.batch_size, output)
                assert array.dtype == NUMPY[kind(output)]
            tried += 1
    assert tried == 8


def python_model(folder, device="CPU", monkeypatch=None):
    """Return the model of a folder as Triton's Python backend starts it, over the stand-in."""
    sys.modules["triton_python_backend_utils"] = backend
    try:
        spec = importlib.util.spec_from_file_location("model", folder / "1" / "model.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        del sys.modules["triton_python_backend_utils"]
    model = module.TritonPythonModel()
    config = json_format.MessageToJson(config_of(folder), preserving_proto_field_name=True)
    model.initialize(
        {"model_config": config, "model_instance_kind": device, "model_instance_device_id": "0",
         "model_repository": str(folder), "model_version": "1", "model_name": folder.name}
    )  # fmt: skip
    return model


def asked(model, inputs=(), **parameters):
    [response] = model.execute([backend.InferenceRequest(inputs, parameters)])
    return response


def test_calls_answer_as_the_model_itself(repository, painter, vae, text):
    gan, labels = serving.load(painter, device="cpu"), np.array([0, 2])
    response = asked(python_model(repository / "painter"), {"labels": labels}, seed=7)
    [image] = response.output_tensors()
    assert image.name() == "image" and image.as_numpy().dtype == np.uint8
    assert (image.as_numpy() == gan.generate(2, labels=labels, seed=7)).all()
    told = json.loads(response.parameters())
    assert told["seed"] == 7
    assert told["model_hash"] == hashlib.sha256((painter / "bundle.json").read_bytes()).hexdigest()

    tiny, pictures = serving.load(vae, device="cpu"), image.as_numpy()
    [again] = asked(
        python_model(repository / "tiny.reconstruct"), {"images": pictures}
    ).output_tensors()
    assert (again.as_numpy() == tiny.reconstruct(pictures)).all()
    [drawn] = asked(python_model(repository / "tiny"), n=3, seed=1).output_tensors()
    assert (drawn.as_numpy() == tiny.generate(3, seed=1)).all()

    toy, prompts = serving.load(text, device="cpu"), np.array([b"abc ", "déf ".encode()], object)
    response = asked(
        python_model(repository / "toy"), {"prompt": prompts}, max_new_tokens=5, seed=2
    )
    [written] = response.output_tensors()
    expected = toy.generate(["abc ", "déf "], 5, seed=2)
    assert [each.decode() for each in written.as_numpy()] == expected


def test_requests_are_answered_each_by_itself(repository):
    """Whatever one of several is, the others have their answers; and each seed is told."""
    model = python_model(repository / "painter")
    good = {"labels": np.array([1])}
    requests = [
        backend.InferenceRequest(good, {"seed": 1}),
        backend.InferenceRequest({"labels": np.array([99])}),
        backend.InferenceRequest(good, {"colour": 1}),
        backend.InferenceRequest(good, cancelled=True),
        backend.InferenceRequest({"z": np.zeros(2)}),
        backend.InferenceRequest(good, {"n": 2**40}),
        backend.InferenceRequest(good, {"seed": 1}),
        backend.InferenceRequest(good),
    ]
    found = model.execute(requests)
    codes = [each.error().code() if each.has_error() else None for each in found]
    wrong, cancelled = backend.TritonError.INVALID_ARG, backend.TritonError.CANCELLED
    assert codes == [None, wrong, wrong, cancelled, wrong, wrong, None, None]
    assert all("\n" not in each.error().message() for each in found if each.has_error())
    first, again = (found[at].output_tensors()[0].as_numpy() for at in (0, 6))
    assert (first == again).all() and "seed" in json.loads(found[-1].parameters())


def test_inputs_and_outputs_are_as_they_are_configured(repository):
    for name in ("painter", "tiny", "tiny.interpolate", "toy"):
        config = config_of(repository / name)
        assert config.max_batch_size == 0
        for each in (*config.input, *config.output):
            assert all(size == -1 or size > 0 for size in each.dims) and each.dims[0] == -1
    prompt = config_of(repository / "toy").input[0]
    assert prompt.name == "prompt" and kind(prompt) == "TYPE_STRING"
    path = config_of(repository / "tiny.interpolate")
    assert {each.name: each.optional for each in path.input} == {"start": False, "end": False}


def test_only_what_a_variant_needs_is_there(repository):
    bundle = repository / "tiny" / "1" / "bundle"
    assert {each.name for each in bundle.iterdir()} == {
        "bundle.json", "encoder.onnx", "decoder.onnx"
    }  # fmt: skip


def test_an_older_model_is_replaced_and_others_are_left(painter, vae, tmp_path):
    write_triton(Bundled(str(painter)), tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/config.pbtxt").write_text('name: "mine"')
    (tmp_path / "painter/1/old.txt").write_text("old")
    write_triton(Bundled(str(painter)), tmp_path)
    assert not (tmp_path / "painter/1/old.txt").exists()
    assert (tmp_path / "mine/config.pbtxt").read_text() == 'name: "mine"'


def test_the_same_bundle_is_the_same_bytes(painter, tmp_path):
    def written(folder):
        write_triton(Bundled(str(painter)), folder)
        return {path.relative_to(folder): path.read_bytes()
                for path in folder.rglob("*") if path.is_file()}  # fmt: skip

    assert written(tmp_path / "a") == written(tmp_path / "b")


def test_nothing_is_written_over_what_is_something_else(vae, tmp_path):
    (tmp_path / "tiny.encoder").mkdir()
    (tmp_path / "tiny.encoder/mine.txt").write_text("mine")
    with pytest.raises(ExportError, match="not a model of Triton"):
        write_triton(Bundled(str(vae)), tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["tiny.encoder"]


def test_a_spoilt_bundle_leaves_nothing_half(tmp_path):
    own = tiny_bundle.write_bundle(tmp_path / "own")
    (own / "encoder.onnx").write_bytes(b"spoilt")
    with pytest.raises(BundleError, match="encoder"):
        write_triton(Bundled(str(own)), tmp_path / "repository")
    assert not list((tmp_path / "repository").iterdir())


def test_the_command(genzoo, vae, tmp_path):
    code, said, _ = genzoo("export", vae, "--target", "triton", "--out", tmp_path / "r",
                           "--variants", "fp16")  # fmt: skip
    assert code == 0 and "tiny.decoder" in said and "tritonserver" in said
    config = config_of(tmp_path / "r/tiny.decoder")
    assert config.default_model_filename == "decoder.fp16.onnx"
    assert config.parameters["variant"].string_value == "fp16"
    for options, words in (
        (["--target", "tritom"], "expected triton or kserve"),
        (["--target", "triton", "--formats", "onnx"], "--formats does not apply"),
        (["--target", "triton", "--adapter"], "--adapter does not apply"),
        (["--target", "triton", "--image", "x"], "--image does not apply"),
        (["--target", "triton", "--variants", "fp32,fp16"], "takes one variant"),
        (["--target", "triton", "--variants", "int4"], "has no variant 'int4'"),
        (["--image", "x"], "--image does not apply"),
    ):
        code, _, said = genzoo("export", vae, "--out", tmp_path / "never", *options)
        assert code == 2 and words in said, said
    assert not Path(tmp_path / "never").exists()
