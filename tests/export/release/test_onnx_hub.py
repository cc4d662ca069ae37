"""The last `onnx.hub` there was lists and loads what is published, by its own code."""

import json
import os
import re
import subprocess
import sys
import textwrap

import pytest

from tests.export.release.site import served

PINNED = "onnx==1.20.1"  # later ones have no hub
UNREACHABLE = re.compile(r"connection|resolution|timed? ?out|proxy|unreachable", re.IGNORECASE)


@pytest.fixture(scope="session")
def old_onnx(tmp_path_factory):
    """A folder with the last version that has a hub."""
    folder = tmp_path_factory.mktemp("onnx")
    command = [
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--retries",
        "1",
        "--timeout",
        "15",
        "--target",
    ]
    command = [sys.executable, "-m", *command, str(folder), PINNED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip(f"the package index cannot be reached for {PINNED}")
    assert done.returncode == 0, done.stderr
    return folder


def test_the_hub_of_onnx_lists_and_loads_every_graph(release, old_onnx, tmp_path):
    code = """
        import json, sys
        from pathlib import Path
        import numpy as np, onnx
        from onnx import hub, numpy_helper
        from onnx.reference import ReferenceEvaluator

        address, cache = sys.argv[1:]
        hub._get_base_url = lambda repo, lfs=False: address  # it knows no other host than its own
        hub.set_dir(cache)
        models = hub.list_models("us/models")
        assert hub.list_models("us/models", tags=["fp16"]) and not hub.list_models("us/models", "x")
        for model in models:
            info = hub.get_model_info(model.model, "us/models")
            assert info.model_path == model.model_path
            graph = hub.load(model.model, "us/models", silent=True)
            onnx.checker.check_model(graph)
            assert {entry.version for entry in graph.opset_import} == {info.opset}
            ports = info.metadata["io_ports"]
            assert [port.name for port in graph.graph.input] == [p["name"] for p in ports["inputs"]]
            folder = Path(hub.download_model_with_test_data(model.model, "us/models", silent=True))
            data = folder / "test_data_set_0"
            read = lambda path: numpy_helper.to_array(onnx.load_tensor(path))
            (file,) = folder.glob("*.onnx")
            feeds = {port["name"]: read(data / f"input_{number}.pb")
                     for number, port in enumerate(ports["inputs"])}
            found = ReferenceEvaluator(onnx.load(file)).run(None, feeds)
            for number, array in enumerate(found):
                assert np.allclose(array, read(data / f"output_{number}.pb"), atol=1e-4)
        print(json.dumps([onnx.__version__, *(model.model for model in models)]))
    """
    with served(release) as address:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), address, str(tmp_path)],
            env=os.environ | {"PYTHONPATH": str(old_onnx)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    version, *names = json.loads(done.stdout.splitlines()[-1])
    assert version == PINNED.partition("==")[2]
    assert names == [
        "conditional/encoder",
        "conditional/decoder",
        "conditional/prior",
        "tiny/encoder",
        "tiny/decoder",
        "tiny/encoder.fp16",
        "tiny/decoder.fp16",
        "toy/model",
    ]


def test_the_manifest_has_the_words_of_the_zoo(release):
    entries = json.loads((release / "ONNX_HUB_MANIFEST.json").read_text())
    entry = next(entry for entry in entries if entry["model"] == "conditional/decoder")
    assert entry["model_path"] == "models/conditional/decoder.onnx"
    assert (entry["onnx_version"], entry["opset_version"]) == ("1.14.0", 18)
    metadata = entry["metadata"]
    assert metadata["tags"] == ["vae", "image generation", "decoder", "fp32"]
    assert metadata["io_ports"]["inputs"] == [
        {"name": "z", "shape": ["batch_size", 2], "type": "tensor(float)"},
        {"name": "labels", "shape": ["batch_size"], "type": "tensor(int64)"},
    ]
    for path, size in (
        (entry["model_path"], metadata["model_bytes"]),
        (metadata["model_with_data_path"], metadata["model_with_data_bytes"]),
    ):
        assert (release / path).stat().st_size == size
