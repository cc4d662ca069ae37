"""On what a run was made: hardware, packages, revision."""

import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tensorflow as tf

from serving.measure.hardware import processor

PACKAGES = ("tensorflow", "keras", "numpy", "tensorflow-datasets")


def provenance() -> dict[str, Any]:
    """Return `hardware`, `packages` and `git_commit` (None outside a checkout of this project)."""
    return {
        "hardware": hardware(),
        "packages": {name: _version(name) for name in PACKAGES},
        "git_commit": _git_commit(),
    }


def hardware() -> str:
    """Name the GPUs, or the processor and its number of cores.

    >>> "core" in hardware() or "GPU" in hardware() or "x " in hardware()
    True
    """
    gpus = [
        tf.config.experimental.get_device_details(gpu).get("device_name", "GPU")
        for gpu in tf.config.list_physical_devices("GPU")
    ]
    if gpus:
        return f"{len(gpus)} x {gpus[0]}"
    return processor()


def _version(name: str) -> str:
    try:
        return version(name)
    except ImportError:  # TensorFlow has several distributions
        return tf.__version__ if name == "tensorflow" else "unknown"


def _git_commit() -> str | None:
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "rev-parse", "HEAD"]
    try:
        tracked = ["git", "-C", str(here), "ls-files", "--error-unmatch", Path(__file__).name]
        subprocess.run(tracked, check=True, capture_output=True)
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
