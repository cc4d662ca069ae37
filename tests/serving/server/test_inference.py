"""The Open Inference Protocol, as the unmodified client of Triton speaks it, sync and async."""

import asyncio
import json
import struct

import numpy as np
import pytest

from tests.serving import tiny_bundle
from tests.serving.tiny_bundle import LATENT, SHAPE

triton = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
triton_aio = pytest.importorskip("tritonclient.http.aio")
from tritonclient.utils import InferenceServerException, np_to_triton_dtype  # noqa: E402


@pytest.fixture
def sync(served):
    with triton.InferenceServerClient(served.address) as client:
        yield client


def tensor(name, array, binary=True):
    given = triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
    given.set_data_from_numpy(array, binary_data=binary)
    return given


def latents(rows, seed=0):
    return np.random.RandomState(seed).standard_normal((rows, LATENT)).astype(np.float32)


def test_health_metadata_config_and_index(sync):
    assert sync.is_server_live() and sync.is_server_ready()
    assert sync.is_model_ready("tiny.decoder") and sync.is_model_ready("tiny", "1")
    assert not sync.is_model_ready("gone")
    assert "binary_tensor_data" in sync.get_server_metadata()["extensions"]
    assert sync.get_model_metadata("tiny.decoder") == {
        "name": "tiny.decoder", "versions": ["1"], "platform": "onnxruntime_onnx",
        "inputs": [{"name": "z", "datatype": "FP32", "shape": [-1, LATENT]}],
        "outputs": [{"name": "image", "datatype": "FP32", "shape": [-1, *SHAPE]},
                    {"name": "parameters", "datatype": "FP32", "shape": [-1, *SHAPE]}],
    }  # fmt: skip
    painter = sync.get_model_metadata("painter")
    assert painter["inputs"] == [{"name": "labels", "datatype": "INT64", "shape": [-1]}]
    assert painter["outputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, *SHAPE]}]
    rows = sync.get_model_metadata("tiny.interpolate")["outputs"][0]
    assert rows["shape"] == [-1, -1, *SHAPE]
    config = sync.get_model_config("tiny.decoder")
    assert config["max_batch_size"] == 1024
    assert config["input"][0] == {
        "name": "z",
        "data_type": "TYPE_FP32",
        "dims": [LATENT],
        "optional": False,
    }
    names = {each["name"] for each in sync.get_model_repository_index()}
    assert {"tiny", "tiny.encoder", "tiny.decode", "painter.blender", "toy"} <= names
    assert not any(name.startswith("toy.model") for name in names)  # whose rows are not alone


@pytest.mark.parametrize("binary", [True, False])
def test_graphs_give_what_numpy_gives(sync, binary):
    z = latents(3)
    outputs = [triton.InferRequestedOutput("image", binary_data=binary)]
    answer = sync.infer(
        "tiny.decoder", [tensor("z", z, binary)], outputs=outputs, request_id="mine"
    )
    expected = tiny_bundle.expected("decoder", {"z": z})["image"]
    assert np.allclose(answer.as_numpy("image"), expected, atol=1e-5)
    assert answer.get_response()["id"] == "mine"
    everything = sync.infer("tiny.decoder", [tensor("z", z)])
    assert everything.as_numpy("parameters").shape == (3, *SHAPE)


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compressed_requests(sync, algorithm):
    answer = sync.infer("tiny.decoder", [tensor("z", latents(2))],
                        request_compression_algorithm=algorithm,
                        response_compression_algorithm=algorithm)  # fmt: skip
    assert answer.as_numpy("image").shape == (2, *SHAPE)


def test_pipelines_are_the_calls_of_python(sync, model):
    labels = np.array([0, 2, 1])
    answer = sync.infer("painter", [tensor("labels", labels)], parameters={"seed": 7})
    assert (answer.as_numpy("image") == model("painter").generate(3, labels=labels, seed=7)).all()
    said = answer.get_response()["parameters"]
    assert said["seed"] == 7 and len(said["model_hash"]) == 64
    z = latents(2)
    decoded = sync.infer("tiny.decode", [tensor("z", z)]).as_numpy("image")
    assert (decoded == model("tiny").decode(z)).all()
    again = sync.infer("tiny.reconstruct", [tensor("images", decoded)]).as_numpy("image")
    assert (again == model("tiny").reconstruct(decoded)).all()
    ends = [tensor("start", decoded[:1]), tensor("end", decoded[1:])]
    path = sync.infer("tiny.interpolate", ends, parameters={"steps": 4}).as_numpy("image")
    assert path.shape == (1, 4, *SHAPE)


@pytest.mark.parametrize("binary", [True, False])
def test_prompts_in_texts_out(sync, model, binary):
    prompts = np.array([b"abc ", "déf ".encode()], object)
    outputs = [triton.InferRequestedOutput("text", binary_data=binary)]
    given, options = [tensor("prompt", prompts, binary)], {"max_new_tokens": 6, "seed": 3}
    options["temperature"] = 0.5
    answer = sync.infer("toy", given, outputs=outputs, parameters=options)
    expected = model("toy").generate(["abc ", "déf "], 6, seed=3, temperature=0.5)
    found = [bytes(each).decode() if binary else each for each in answer.as_numpy("text")]
    assert found == expected


def test_statistics_count(sync):
    def told():
        [found] = sync.get_inference_statistics("tiny.decoder")["model_stats"]
        return found["inference_count"], found["inference_stats"]["fail"]["count"]

    rows, failed = told()
    sync.infer("tiny.decoder", [tensor("z", latents(5))])
    with pytest.raises(InferenceServerException):
        sync.infer("tiny.decoder", [tensor("q", latents(5))])
    assert told() == (rows + 5, failed + 1)
    assert len(sync.get_inference_statistics()["model_stats"]) > 3


def test_many_requests_of_the_async_client_are_those_of_one(served, model):
    """In a crowd, where rows are computed together, everybody gets what one alone gets."""

    async def everything():
        async with triton_aio.InferenceServerClient(served.address) as client:
            assert await client.is_server_ready() and await client.is_model_ready("tiny")
            assert (await client.get_model_metadata("toy"))["name"] == "toy"

            async def one(seed):
                given = {"seed": seed, "n": 1 + seed % 3}
                answer = await client.infer("tiny", [], parameters=given)
                return answer.as_numpy("image")

            return await asyncio.gather(*map(one, range(40)))

    for seed, images in enumerate(asyncio.run(everything())):
        assert (images == model("tiny").generate(1 + seed % 3, seed=seed)).all()


def test_async_calls_of_the_sync_client(served):
    with triton.InferenceServerClient(served.address, concurrency=4) as client:
        waiting = [
            client.async_infer("tiny.decoder", [tensor("z", latents(2, s))]) for s in range(8)
        ]
        for seed, each in enumerate(waiting):
            expected = tiny_bundle.expected("decoder", {"z": latents(2, seed)})["image"]
            assert np.allclose(each.get_result().as_numpy("image"), expected, atol=1e-5)


def z_input(**changes):
    given = {"name": "z", "datatype": "FP32", "shape": [1, LATENT], "data": [0.0] * LATENT}
    found = given | changes
    return {key: value for key, value in found.items() if value is not None}


def body(*inputs, **more):
    return json.dumps({"inputs": list(inputs)} | more).encode()


def binary(size, **changes):
    return body(z_input(data=None, parameters={"binary_data_size": size}, **changes))


ZEROS = bytes(4 * LATENT)
HEAD = binary(len(ZEROS))
CLASSES = {"name": "image", "parameters": {"classification": 2}}
NAN = struct.pack("<ff", float("nan"), 0)
INFINITY = struct.pack("<ff", 0, -float("inf"))
MALFORMED = {
    "dtype": (body(z_input(datatype="FP64")), None),
    "no dtype": (body(z_input(datatype=None)), None),
    "few axes": (body(z_input(shape=[LATENT])), None),
    "wrong axis": (body(z_input(shape=[1, 3])), None),
    "negative": (body(z_input(shape=[-1, LATENT])), None),
    "2^63": (body(z_input(shape=[2**63, LATENT])), None),
    "2^64": (body(z_input(shape=[2**64 - 1, LATENT])), None),
    "product overflows": (body(z_input(shape=[2**62, LATENT])), None),
    "empty": (body(z_input(shape=[0, LATENT], data=[])), None),
    "a float as a size": (body(z_input(shape=[1.0, LATENT])), None),
    "true as a size": (body(z_input(shape=[True, LATENT])), None),
    "no shape": (body(z_input(shape=None)), None),
    "a word as shape": (body(z_input(shape="1,2")), None),
    "no data": (body(z_input(data=None)), None),
    "few data": (body(z_input(data=[0.0])), None),
    "many data": (body(z_input(data=[0.0] * 3)), None),
    "ragged data": (body(z_input(data=[[0.0], []])), None),
    "words as data": (body(z_input(data=["a", "b"])), None),
    "truths as data": (body(z_input(data=[True, False])), None),
    "null as data": (body(z_input(data=[None, None])), None),
    "infinite data": (body(z_input(data=[1e39, 0])), None),
    "NaN in JSON": (body(z_input(data=[float("nan"), 0])), None),
    "twice": (body(z_input(), z_input()), None),
    "missing": (body(), None),
    "no inputs": (b"{}", None),
    "inputs no list": (b'{"inputs": {}}', None),
    "inputs no objects": (b'{"inputs": [1]}', None),
    "unknown input": (body(z_input(), z_input(name="y")), None),
    "no name": (body(z_input(name=None)), None),
    "unknown output": (body(z_input(), outputs=[{"name": "y"}]), None),
    "output without name": (body(z_input(), outputs=[{}]), None),
    "classification": (body(z_input(), outputs=[CLASSES]), None),
    "shared memory": (body(z_input(parameters={"shared_memory_region": "r"})), None),
    "unknown field": (body(z_input(), more=1), None),
    "unknown parameter": (body(z_input(), parameters={"colour": 1}), None),
    "sequence": (body(z_input(), parameters={"sequence_id": 3}), None),
    "priority": (body(z_input(), parameters={"priority": 3}), None),
    "timeout": (body(z_input(), parameters={"timeout": "soon"}), None),
    "id": (body(z_input(), id=7), None),
    "header beyond the body": (HEAD + ZEROS, len(HEAD + ZEROS) + 1),
    "header far beyond": (HEAD + ZEROS, 2**70),
    "negative header": (HEAD + ZEROS, -1),
    "no number": (HEAD + ZEROS, "x"),
    "header too short": (HEAD + ZEROS, len(HEAD) - 1),
    "header of nothing": (HEAD + ZEROS, 0),
    "no header length": (HEAD + ZEROS, None),
    "truncated tail": (HEAD + ZEROS[:-1], len(HEAD)),
    "no tail": (HEAD, len(HEAD)),
    "too long a tail": (HEAD + ZEROS + b"\0", len(HEAD)),
    "few bytes": ((h := binary(4)) + ZEROS[:4], len(h)),
    "negative bytes": ((h := binary(-4)) + ZEROS, len(h)),
    "2^63 bytes": ((h := binary(2**63)) + ZEROS, len(h)),
    "NaN": (HEAD + NAN, len(HEAD)),
    "Infinity": (HEAD + INFINITY, len(HEAD)),
    "Infinity in JSON": (body(z_input(data=[float("inf"), 0])), None),
    "a product of 2^64": (body(z_input(shape=[2**63, LATENT], data=[0.0] * LATENT)), None),
    "bytes of another dtype": (h := binary(16, datatype="FP64")) and (h + bytes(16), len(h)),
    "both": ((h := body(z_input(parameters={"binary_data_size": 8}))) + ZEROS, len(h)),
    "invalid UTF-8": (b'{"inputs": [{"name": "\xff"}]}', None),
    "deep": (b'{"inputs": ' + b"[" * 200 + b"]" * 200 + b"}", None),
    "no JSON": (b"inputs", None),
    "nothing": (b"", None),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_requests_are_4xx_and_hurt_nobody(client, name):
    data, length = MALFORMED[name]
    headers = {} if length is None else {"inference-header-content-length": str(length)}
    answer = client.post("/v2/models/tiny.decoder/infer", content=data, headers=headers)
    assert 400 <= answer.status_code < 500, answer.text
    assert list(answer.json()) == ["error"] and "\n" not in answer.json()["error"]
    assert client.get("/v2/health/ready").status_code == 200
    good = client.post("/v2/models/tiny.decoder/infer", content=HEAD + ZEROS,
                       headers={"inference-header-content-length": str(len(HEAD))})  # fmt: skip
    assert good.status_code == 200


TEXTS = {
    "truncated": struct.pack("<I", 9) + b"abc",
    "length alone": struct.pack("<I", 0)[:3],
    "2^32 - 1": struct.pack("<I", 2**32 - 1) + b"abc",
    "too many": (struct.pack("<I", 1) + b"a") * 2,
    "invalid UTF-8": struct.pack("<I", 1) + b"\xff",
    "unknown characters": struct.pack("<I", 1) + b"Z",
}


@pytest.mark.parametrize("name", TEXTS)
def test_malformed_strings_are_4xx(client, name):
    data = TEXTS[name]
    given = {
        "name": "prompt",
        "datatype": "BYTES",
        "shape": [1],
        "parameters": {"binary_data_size": len(data)},
    }
    head = body(given)
    answer = client.post("/v2/models/toy/infer", content=head + data,
                         headers={"inference-header-content-length": str(len(head))})  # fmt: skip
    assert answer.status_code == 400, answer.text


def test_a_row_that_a_graph_refuses_spoils_no_other(served):
    """A label beyond the classes fails in the graph; whoever is computed with it gets his own."""
    z, labels = latents(1), np.array([1])

    async def everything():
        async with triton_aio.InferenceServerClient(served.address) as client:

            def one(label):
                return client.infer("painter.generator", [tensor("z", z), tensor("labels", label)])

            mixed = [np.array([99]) if index % 3 == 0 else labels for index in range(24)]
            return await asyncio.gather(*map(one, mixed), return_exceptions=True)

    expected = tiny_bundle.expected("generator", {"z": z, "labels": labels})["image"]
    for index, found in enumerate(asyncio.run(everything())):
        if index % 3 == 0:
            assert isinstance(found, InferenceServerException) and found.status() == "400"
        else:
            assert np.allclose(found.as_numpy("image"), expected, atol=1e-5)


def test_parameters_are_checked_as_declared(client):
    for model, parameters, words in (
        ("tiny", {"n": 0}, "n is 0"),
        ("tiny", {"n": 2, "colour": 1}, "unknown option 'colour'"),
        ("painter", {"n": 2}, "this model is conditional"),
        ("toy", {"max_new_tokens": 10**9}, "tokens are asked for"),
        ("toy", {"prompt": "abc "}, "'prompt' is content; give it as an input"),
    ):
        answer = client.post(
            f"/v2/models/{model}/infer", json={"inputs": [], "parameters": parameters}
        )
        assert answer.status_code == 400 and words in answer.json()["error"]
    assert client.get("/v2/models/tiny/versions/2").status_code == 404
    assert client.get("/v2/models/gone").status_code == 404
