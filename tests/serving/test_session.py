"""Devices: what is asked for is what is got, or it is said."""

import numpy as np
import pytest

import serving
from serving import loader, session
from serving.session import CPU, CUDA, DeviceError, Session
from tests.serving import tiny_bundle

DECODER = tiny_bundle.graph("decoder").SerializeToString()
Z = np.ones((3, tiny_bundle.LATENT), np.float32)


def test_runs_only_what_is_asked_for():
    (image,) = Session(DECODER, "decoder.onnx", "cpu").run(["image"], {"z": Z})
    np.testing.assert_allclose(image, tiny_bundle.expected("decoder", {"z": Z})["image"], rtol=1e-6)


def test_bound_input_and_output_give_the_same():
    """The path taken on CUDA, on the CPU: binding does not depend on the device."""
    bound = Session(DECODER, "decoder.onnx", "cpu")
    plain = bound.run(["image", "parameters"], {"z": Z})
    bound.device = "cuda"
    for one, other in zip(plain, bound.run(["image", "parameters"], {"z": Z}), strict=True):
        np.testing.assert_array_equal(one, other)


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


@pytest.mark.gpu
@pytest.mark.skipif(not session.cuda_expected(), reason="no GPU that ONNX Runtime can use")
def test_cuda_gives_the_cpus_images(tiny):
    one, other = (serving.load(tiny, device=d, variant="fp32") for d in ("cpu", "cuda"))
    assert CUDA in other.providers
    difference = one.generate(70, seed=1).astype(int) - other.generate(70, seed=1)
    assert np.abs(difference).max() <= 1


def test_variant_follows_the_device(tiny):
    manifest = serving.load(tiny).manifest
    assert loader.choose_variant(manifest, "auto", "cuda") == "fp16"
    assert loader.choose_variant(manifest, "auto", "cpu") == "fp32"
