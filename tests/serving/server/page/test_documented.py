"""The lines of docs/server.md run, in order, in one folder."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.serving.server.running import running

PAGE = Path(__file__).parents[4] / "docs/server.md"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_every_line_of_the_page_runs(tmp_path):
    text = PAGE.read_text(encoding="utf-8")
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
             for line in block.replace("\\\n", " ").splitlines()]  # fmt: skip
    served = re.search(r"^genzoo serve (.*) --port", text, re.M)[1].split()
    assert lines
    with running(served) as server:
        for line in lines:
            done = subprocess.run(
                ["bash", "-ec", line], cwd=tmp_path, capture_output=True, text=True, timeout=60,
                env={"URL": server.url, "PATH": "/usr/bin:/bin"},
            )  # fmt: skip
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "again.png").read_bytes()[:4] == b"\x89PNG"
