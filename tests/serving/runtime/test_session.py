"""Devices: what is asked for is what is got, or it is said."""

import sys

import numpy as np
import pytest

import serving
from serving.bundle.choosing import choose_variant
from serving.bundle.records import Cost, Speed
from serving.runtime import interruption, session
from serving.runtime.session import CPU, CUDA, DeviceError, Session
from tests.serving import tiny_bundle
from tests.serving.elsewhere import Elsewhere

DECODER = tiny_bundle.graph("decoder").SerializeToString()
NAMES = ["image", "parameters"]
Z = np.ones((3, tiny_bundle.LATENT), np.float32)


def test_runs_only_what_is_asked_for():
    (image,) = Session(DECODER, "decoder.onnx", "cpu").run(["image"], {"z": Z})
    np.testing.assert_allclose(image, tiny_bundle.expected("decoder", {"z": Z})["image"], rtol=1e-6)


def test_the_bytes_of_the_file_are_not_kept():
    data = bytes(bytearray(DECODER))
    before = sys.getrefcount(data)
    loaded = Session(data, "decoder.onnx", "cpu")
    assert sys.getrefcount(data) == before
    assert loaded.run(["image"], {"z": Z})[0].shape == (3, *tiny_bundle.SHAPE)


@pytest.mark.parametrize("kind", [Session, Elsewhere])
def test_bound_input_and_output_give_the_same(kind):
    """The path taken on CUDA, of which one kind of session copies there and back."""
    session = kind(DECODER, "decoder.onnx", "cpu")
    plain = dict(zip(NAMES, session.run(NAMES, {"z": Z}), strict=True))
    bound = {name: np.full_like(value, np.nan) for name, value in plain.items()}
    session.bind({"z": Z.copy()}, bound).run()
    for name in NAMES:
        np.testing.assert_array_equal(bound[name], plain[name])
    assert np.any(plain["image"] != plain["parameters"])


@pytest.mark.parametrize("kind", [Session, Elsewhere])
def test_what_is_bound_is_read_and_written_at_every_run(kind):
    """Where arrays lie on the device, and where they are copied there and back."""
    session = kind(DECODER, "decoder.onnx", "cpu")
    z, image = Z.copy(), np.zeros((3, *tiny_bundle.SHAPE), np.float32)
    held = session.hold(np.zeros_like(image))
    bound = session.bind({"z": z}, {"image": image, "parameters": held})
    for factor in (1, -2):
        z[:] = factor * Z
        bound.run()
        expected = tiny_bundle.expected("decoder", {"z": z})
        np.testing.assert_allclose(image, expected["image"], rtol=1e-6)
        np.testing.assert_allclose(held.numpy(), expected["parameters"], rtol=1e-6)


def test_a_cuda_graph_belongs_to_addresses_and_shapes(monkeypatch):
    monkeypatch.setattr(session, "_MOST_CUDA_GRAPHS", 2)
    recorded = Session(DECODER, "decoder.onnx", "cpu", replays=True)
    assert recorded._run_options() is None  # there is nothing to be recorded on the CPU
    recorded._replays = True

    def graph(*values):
        return recorded._run_options(values).get_run_config_entry("gpu_graph_id")

    one, other, third = (recorded.hold(np.zeros(size, np.float32)) for size in (3, 4, 5))
    found = [graph(one), graph(one, other), graph(one), graph(third), graph()]
    assert found == ["1", "2", "1", "-1", "-1"]


def test_what_a_run_is_told_is_made_once_unless_somebody_may_stop_it(monkeypatch):
    recorded, made = Session(DECODER, "decoder.onnx", "cpu"), []
    recorded._replays = True

    class Counted(session.onnxruntime.RunOptions):
        def __init__(self):
            super().__init__()
            made.append(self)

    monkeypatch.setattr(session.onnxruntime, "RunOptions", Counted)
    image = np.zeros((3, *tiny_bundle.SHAPE), np.float32)
    bound = recorded.bind({"z": Z}, {"image": image}, replay=True)
    for _ in range(3):
        bound.run()
    assert len(made) == 1 and made[0].get_run_config_entry("gpu_graph_id") == "1"
    unwanted = interruption.Interruption()
    for count in (2, 3):
        with interruption.interruptible(unwanted):
            bound.run()
        assert len(made) == count
    unwanted.stop(interruption.StoppedError("nobody"))
    with interruption.interruptible(unwanted), pytest.raises(interruption.StoppedError):
        bound.run()
    before = len(made)
    bound.run()  # which nobody has stopped
    assert len(made) == before


@pytest.mark.parametrize("replays", [False, True])
def test_what_cuda_is_told(replays):
    [(name, options), other] = session._providers("cuda", replays)
    assert (name, other) == (CUDA, CPU)
    assert options == {"use_tf32": "0", "enable_cuda_graph": str(int(replays))}


def test_cuda_without_cuda_is_an_error(tiny, monkeypatch):
    monkeypatch.setattr(session.onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(DeviceError, match=r"pip install 'genzoo\[cuda\]'"):
        serving.load(tiny, device="cuda")
    monkeypatch.setattr(session.onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(session, "_gpu_present", lambda: False)
    with pytest.raises(DeviceError, match="no NVIDIA GPU"):
        serving.load(tiny, device="cuda")


def test_auto_is_silent_where_no_cuda_is_expected(tiny, recwarn, monkeypatch):
    monkeypatch.setattr(session.onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(session, "_gpu_present", lambda: False)
    assert serving.load(tiny).device == "cpu"
    assert not recwarn.list


@pytest.fixture
def failing_gpu(monkeypatch):
    """A machine with a GPU, and an onnxruntime-gpu whose CUDA libraries are missing."""
    real = session.onnxruntime.InferenceSession

    def without_cuda(data, options, providers, **kwargs):
        return real(data, options, providers=[CPU], **kwargs)

    monkeypatch.setattr(session.onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(session, "_gpu_present", lambda: True)
    monkeypatch.setattr(session.onnxruntime, "InferenceSession", without_cuda)


def test_auto_warns_when_cuda_fails_and_takes_the_cpus_variant(tiny, failing_gpu):
    with pytest.warns(
        RuntimeWarning, match="running on the CPU: ONNX Runtime could not start CUDA"
    ):
        vae = serving.load(tiny)
    assert (vae.device, vae.variant) == ("cpu", "fp32")


def test_cuda_fails_when_the_runtime_falls_back(tiny, failing_gpu):
    with pytest.raises(DeviceError, match="CUDA 13 and cuDNN 9"):
        serving.load(tiny, device="cuda")


AUTO = {"cpu": ["fused", "fp32", "static"], "cuda": ["static-fp16", "static", "fp16", "fp32"]}


def test_variant_follows_the_device(tiny):
    manifest = serving.load(tiny).manifest
    assert choose_variant(manifest, "auto", "cuda") == "fp16"
    assert choose_variant(manifest, "auto", "cpu") == "fp32"
    variants = dict.fromkeys(("fp32", "fp16", "static", "fused"), manifest.variants["fp32"])
    more = manifest.model_copy(update={"variants": variants, "auto": AUTO})
    assert choose_variant(more, "auto", "cuda") == "static"
    assert choose_variant(more, "auto", "cpu") == "fused"


def test_auto_takes_what_was_measured_to_be_the_fastest_on_such_a_device(tiny):
    manifest = serving.load(tiny).manifest

    def chosen(device, **speeds):
        variants = {}
        for name, value in speeds.items():
            cost = value and Cost(
                speed=Speed(value=value, unit="tokens/s", batch=1, device="cpu", threads=1),
                hardware="a machine",
                date="2026-11-25",
            )
            variants[name] = manifest.variants["fp32"].model_copy(update={"cost": cost})
        return choose_variant(
            manifest.model_copy(update={"variants": variants, "auto": AUTO}), "auto", device
        )

    assert chosen("cpu", fp32=5, fused=4, static=3) == "fp32"
    assert chosen("cpu", fp32=5, fused=4, static=6) == "static"
    assert chosen("cpu", fp32=5, fused=None) == "fused"  # measured in part is not measured
    assert chosen("cpu", fp32=5, int8=9) == "fp32"  # which int8 is not like
    assert chosen("cuda", fp32=5, static=4) == "static"  # measured elsewhere
    assert chosen("cpu", int8=9) == "int8"
