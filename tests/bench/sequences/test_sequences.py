"""Music and gaps: all ways give the same, and are told side by side."""

import json

import pytest

from serving.catalogue import MODELS
from tests.bench import machine
from tests.bench.sequences import __main__ as sequences
from tests.bench.sequences import masked, music


@pytest.mark.parametrize(
    ("name", "family", "ways"),
    [
        ("chorales", music, {"genzoo", "plain loop"}),
        ("masked-shakespeare", masked, {"genzoo", "bare session"}),
    ],
)
def test_all_ways_give_the_same(name, family, ways, tmp_path, monkeypatch, capsys):
    """A peer of other results than ours would be listed as absent."""
    for key, value in machine.SETTINGS.items():  # taken back afterwards
        monkeypatch.setenv(key, value)
    file = tmp_path / "figures.json"
    asked = [str(MODELS / name), "--size", "1", "--rounds", "1", "--threads", "1"]
    sequences.main([*asked, "--json", str(file)])
    rows = json.loads(file.read_text())["rows"]
    told = [row for row in rows if "absent" not in row]
    assert {row["way"] for row in told} >= ways, rows
    assert {row["text"] for row in told} == {*family.TASKS}
    assert all(row["per_second"] > 0 and row["ratio"] > 0 for row in told)
    assert name in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "variant", "error"),
    [("cgan-mnist", "", "is no bundle of"), ("chorales", "int9", "no graph of variant 'int9'")],
)
def test_what_cannot_be_measured_is_one_line(name, variant, error):
    with pytest.raises(SystemExit, match=f"^error: .*{error}"):
        sequences.main([str(MODELS / name), "--variant", variant])
