"""A user of a container: without a home folder, and without an entry among the users."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent
UNKNOWN = "54321"
# They may read what lies in root's folders, as this Python may.
BECOME = ["setpriv", "--reuid", UNKNOWN, "--regid", UNKNOWN, "--clear-groups"]
BECOME += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def somebody(place, *words):
    """Run a command as a user nobody knows, in a folder of theirs."""
    os.chown(place, int(UNKNOWN), int(UNKNOWN))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "GENZOO_OFFLINE": "1"}
    return subprocess.run(
        [*BECOME, *words], cwd=place, env=environment, capture_output=True, text=True
    )


def test_an_installed_model_needs_no_home(tmp_path):
    try:
        possible = somebody(tmp_path, "true").returncode == 0
    except OSError:
        possible = False
    if not possible:
        pytest.skip("only root, where setpriv is, can become somebody else")
    code = "from export.cli import main; main()"
    words = ["generate", "vae-mnist", "--out", "x.png"]
    done = somebody(tmp_path, sys.executable, "-c", code, *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
