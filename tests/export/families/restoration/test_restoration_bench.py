"""Whoever is installed enlarges photographs as the library does, and is measured beside it."""

import json
from importlib.util import find_spec

import pytest

from tests.bench import machine, report
from tests.bench.photographs import __main__ as photographs
from tests.bench.photographs.peers import PEERS


@pytest.mark.long
def test_whoever_is_installed_takes_part(bundle, tmp_path, monkeypatch, capsys):
    """A peer of other results than ours would be listed as absent."""
    for name, value in machine.SETTINGS.items():  # taken back afterwards
        monkeypatch.setenv(name, value)
    file = tmp_path / "figures.json"
    asked = ["--rounds", "1", "--threads", "1", "--seconds", "0.01", "--size", "224x224"]
    photographs.main([str(bundle), *asked, "--json", str(file)])
    document = json.loads(file.read_text())
    rows = [row for row in document["rows"] if "absent" not in row]
    here = [peer.name for peers in PEERS.values() for peer in peers if find_spec(peer.module)]
    # 8 bits of a network that has learned next to nothing may give anything.
    ways = [row["way"] for row in rows]
    here, ways = ([each for each in names if "int8" not in each] for names in (here, ways))
    assert ways == here, document["rows"]
    assert all(row["milliseconds"] > 0 and row["lowest"] <= row["highest"] for row in rows)
    assert capsys.readouterr().out.endswith(report.origin(document) + "\n")
    assert "ms/megapixel" in report.markdown(document)
