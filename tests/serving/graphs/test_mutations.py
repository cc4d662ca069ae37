"""A process lives on, whatever a graph is changed to."""

import subprocess
import sys

import pytest

from tests.house import ROOT

COUNT = 400


@pytest.mark.parametrize("seed", [0, 1])
def test_mutated_graphs_are_refused_or_run(seed):
    command = [sys.executable, "-m", "tests.serving.graphs.mutations", str(seed), str(COUNT)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    ran, refused = map(int, done.stdout.split())
    assert ran + refused == COUNT and min(ran, refused) > COUNT // 20
