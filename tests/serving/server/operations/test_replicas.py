"""Ray Serve: two copies of the server on this machine, asked by the unmodified clients."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import serving
from serving.errors import UsageError
from serving.server.operations.replicas import application

ROOT = Path(__file__).parents[4]
needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="ray[serve] is not installed"
)
# In a process of its own, since Ray changes signals, logs and environment of the one it runs in.
SCRIPT = """
import json, socket, sys
import httpx, openai, ray
import tritonclient.http as triton
from ray import serve
from serving.server.operations.replicas import application

with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
quiet = {"include_dashboard": False, "logging_level": "ERROR", "log_to_driver": False}
for attempt in range(3):  # Ray's own processes must be there in 30 s, on a busy machine too
    try:
        ray.init(num_cpus=2, **quiet)
        break
    except Exception:
        ray.shutdown()
serve.start(http_options={"host": "127.0.0.1", "port": port})
models = json.loads(sys.argv[1])
given = {"models": models, "replicas": 2, "device": "cpu", "threads": 1, "cpus": 0.5}
serve.run(application(given))
found = {}
[found["states"]] = [dict(each.replica_states) for each in
                     serve.status().applications["default"].deployments.values()]
url = f"http://127.0.0.1:{port}"
with httpx.Client(base_url=url, timeout=60) as client:
    found["ready"] = client.get("/v2/health/ready").json()
    call = {"n": 2, "seed": 7}
    found["images"] = [client.post("/v1/calls/tiny/generate", json=call).json()["image"]
                       for _ in range(8)]
    processes = set()
    while len(processes) < 2:  # each copy counts its own requests
        text = client.get("/metrics").text
        processes.add(next(line for line in text.splitlines()
                           if line.startswith("genzoo_rejected_created")))
    found["copies"] = len(processes)
with triton.InferenceServerClient(f"127.0.0.1:{port}") as client:
    found["triton"] = client.infer("tiny", [], parameters=call).as_numpy("image").tolist()
client = openai.OpenAI(base_url=f"{url}/v1", api_key="any")
asked = {"model": "toy", "prompt": "abc ", "max_tokens": 5, "seed": 2}
found["text"] = client.completions.create(**asked).choices[0].text
pieces = client.completions.create(**asked, stream=True)
found["streamed"] = "".join(piece.choices[0].text for piece in pieces)
serve.shutdown()
ray.shutdown()
print("FOUND" + json.dumps(found))
"""


@needs_ray
def test_two_copies_answer_as_one(tiny, text, tmp_path):
    """Which of them answers cannot be told, since a seed says what comes."""
    pytest.importorskip("tritonclient.http")
    pytest.importorskip("openai")
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": "/tmp",  # the paths of its sockets must be short
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps([str(tiny), str(text)])],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=400,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    [line] = [line for line in done.stdout.splitlines() if line.startswith("FOUND")]
    found = json.loads(line.removeprefix("FOUND"))
    assert found["ready"] == {"ready": True} and found["copies"] == 2
    assert list(found["states"].values()) == [2]
    assert len({json.dumps(each) for each in found["images"]}) == 1
    expected = serving.load(tiny, device="cpu").generate(2, seed=7)
    assert found["triton"] == expected.tolist()
    written = serving.load(text, device="cpu").generate("abc ", 5, seed=2)
    assert found["text"] == found["streamed"] == written


def test_what_is_wrong_is_said_at_once():
    with pytest.raises(UsageError, match="no model is named"):
        application({})
    with pytest.raises(UsageError, match="no argument 'model'"):
        application({"model": "x"})
