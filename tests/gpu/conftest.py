import pytest

import export
import zoo
from serving.runtime import session
from tests.zoo.transformer.test_gpt_training import recipe


@pytest.fixture(scope="session")
def device():
    """CUDA; where it cannot be had a test is skipped, and where it should work it may fail."""
    try:
        session._require_cuda()
    except session.DeviceError as error:
        pytest.skip(str(error).split(";")[0])
    return "cuda"


@pytest.fixture(scope="session")
def text_bundle(device, tmp_path_factory):
    """A tiny Transformer in the variants that CUDA runs; read only."""
    folder = tmp_path_factory.mktemp("text")
    zoo.train(recipe(), folder / "run")
    variants = ["fp32", "fp16", "static", "static-fp16"]
    return export.export(folder / "run", folder / "bundle", formats=["onnx"], variants=variants)
