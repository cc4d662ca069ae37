"""JavaScript as users run it: packages of npm beside the snippets of the documentation."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SNIPPETS = Path(__file__).parent.parent / "docs/snippets"
UNREACHABLE = re.compile(r"ENOTFOUND|ECONN|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|network|proxy")


def installed(folder, package):
    """Install a package in a folder, with the snippets beside it; skip where that cannot be."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("there is no node with npm on this machine")
    # Install scripts would fetch the libraries for CUDA; those for the CPU are in the package.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    done = run("npm", "install", *options, "--prefix", folder, package, check=False)
    if done.returncode and UNREACHABLE.search(done.stderr):
        pytest.skip(f"the package registry cannot be reached for {package}")
    assert done.returncode == 0, done.stderr
    for snippet in (*SNIPPETS.glob("*.mjs"), *SNIPPETS.glob("*.html")):
        shutil.copy(snippet, folder)
    return folder


def run(*command, check=True):
    """Run a program, which must succeed unless that is not asked for."""
    command = [*map(str, command)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done
