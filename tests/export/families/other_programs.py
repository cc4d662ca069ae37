"""Other programs, in processes of their own: Node.js with transformers.js, and what has optimum."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

OPTIMUM = "OPTIMUM_PYTHON"  # names a Python that has optimum-onnx


def run(*words, check=True):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=240)
    assert not check or done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done


def transformers_js(request, script: Path) -> Path:
    """Return a script where transformers.js is installed; skip the test where it cannot be."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("there is no node with npm on this machine")
    folder = request.config.cache.mkdir("transformers-js")
    package = "@huggingface/transformers@^4.2"
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    done = run("npm", "install", *options, "--prefix", folder, package, check=False)
    if done.returncode and any(word in done.stderr for word in ("ENOTFOUND", "ECONN", "network")):
        pytest.skip(f"the package registry cannot be reached for {package}")
    assert done.returncode == 0, done.stderr
    return Path(shutil.copy(script, folder))


def optimum() -> str:
    """Return the Python that has optimum; skip the test where there is none."""
    if OPTIMUM not in os.environ:
        pytest.skip(f"{OPTIMUM} names no Python with optimum-onnx, which takes older transformers")
    return os.environ[OPTIMUM]
