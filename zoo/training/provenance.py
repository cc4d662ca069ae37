"""On what a run was made: hardware, packages, revision."""

import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tensorflow as tf

from serving import registry
from serving.measure.hardware import processor

PACKAGES = ("tensorflow", "keras", "numpy", "tensorflow-datasets")


def provenance(family: str | None = None) -> dict[str, Any]:
    """Return `hardware`, `packages`, `git_commit` and `git_clean`.

    The package that brings the family is among the packages. Commit and cleanness are None outside
    a checkout of this project. A checkout is clean if no file of the commit was changed; new files
    do not count.

    Example:
        >>> sorted(provenance())
        ['git_clean', 'git_commit', 'hardware', 'packages']
    """
    commit, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "-uno")
    return {
        "hardware": hardware(),
        "packages": {name: _version(name) for name in PACKAGES} | _package_of(family),
        "git_commit": commit,
        "git_clean": None if changes is None else not changes,
    }


def _package_of(family: str | None) -> dict[str, str]:
    package = registry.package_of(family) if family else None
    return dict([package]) if package else {}


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


def _git(*arguments: str) -> str | None:
    """Return what git says of the checkout that this file belongs to; None if it does not."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        tracked = [*git, "ls-files", "--error-unmatch", Path(__file__).name]
        subprocess.run(tracked, check=True, capture_output=True)
        found = subprocess.run([*git, *arguments], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
