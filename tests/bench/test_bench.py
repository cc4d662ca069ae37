"""Both comparisons run with whoever is installed, all agree, and who is absent is named."""

import json
import sys
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec

import pytest

from serving.catalogue import MODELS
from serving.errors import UsageError
from tests.bench import __main__ as images
from tests.bench import ablation, constraints, machine, report, text, yardsticks
from zoo.presets import from_preset
from zoo.recipe import Recipe

TINY = ["--layers=1", "--width=32", "--heads=2", "--vocabulary=128", "--context=16", "--tokens=8"]
QUICK = ["--rounds", "1", "--threads", "1", "--no-compiled"]


@pytest.mark.long
@pytest.mark.parametrize(
    ("module", "options", "sets"),
    [
        (images, ["--model", "cgan-mnist", "--seconds", "0.001"], 2),
        (text, TINY, 3),
    ],
    ids=["images", "text"],
)
def test_whoever_is_installed_takes_part(module, options, sets, tmp_path, monkeypatch, capsys):
    """A peer of other results than ours would be listed as absent."""
    for name, value in machine.SETTINGS.items():  # taken back afterwards
        monkeypatch.setenv(name, value)
    missing = replace(module.PEERS[-1], name="another", module="no_such_module")
    monkeypatch.setattr(module, "PEERS", (*module.PEERS, missing))
    file = tmp_path / "figures.json"
    module.main([*options, *QUICK, "--json", str(file)])
    document = json.loads(file.read_text())
    absent = {row["way"]: row["absent"] for row in document["rows"] if "absent" in row}
    rows = [row for row in document["rows"] if "absent" not in row]

    here = {
        peer.name
        for peer in module.PEERS
        if find_spec(peer.module) and not peer.compiled and "cpu" in peer.devices
    }
    unfit = {way for way, why in absent.items() if "its weights " in why or " is not here" in why}
    assert {row["way"] for row in rows} == here - unfit, absent
    assert len(rows) == sets * len(here - unfit)
    assert absent["another"] == f"no_such_module is not installed: {missing.install}"
    for row in rows:
        assert row["lowest"] <= row["ratio"] <= row["highest"]
        assert min(row[key] for key in ("per_second", "load_seconds", "file_megabytes")) > 0
    shown = capsys.readouterr().out
    assert f"absent: another: {absent['another']}\n" in shown
    assert shown.endswith(report.origin(document) + "\n")
    assert len(report.markdown(document).splitlines()) == 1 + 1 + 2 + sets + 1 + 2 + 1


def test_what_a_schema_costs_is_told_for_every_way_to_draw(tmp_path, capsys, monkeypatch):
    pytest.importorskip("llguidance", reason="llguidance is not installed")
    for name, value in machine.SETTINGS.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "figures.json"
    constraints.main(["--rounds", "1", "--json", str(file)])
    rows, shown = json.loads(file.read_text())["rows"], capsys.readouterr().out
    assert [row["sampling"] for row in rows] == [*constraints.SAMPLINGS]
    for row in rows:
        assert row["ratio"] > 0 and row["mask_microseconds"] > 0 and row["tokens"] > 100
        assert row["sampling"] in shown


def test_llama_cpp_is_as_surprised_as_we_are(tmp_path, capsys):
    pytest.importorskip("llama_cpp", reason="llama_cpp is not installed")
    gguf_file = pytest.importorskip("tests.bench.peers.gguf_file", reason="gguf is not installed")
    gguf_file.write(from_preset("gpt-python-topics"), 32, tmp_path / "network.gguf")
    rows = [
        {"UID": "a", "linguistics_term": "b", "sentence_good": f"The {noun} is one.",
         "sentence_bad": f"The {noun} are one."} for noun in ("object", "class", "function")
    ]  # fmt: skip
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    asked = [str(MODELS / "gpt-python-topics"), "--gguf", str(tmp_path / "network.gguf")]
    asked += ["--characters", "3000", "--pairs", str(tmp_path / "pairs.jsonl")]
    yardsticks.main([*asked, "--json", str(tmp_path / "figures.json")])
    ours, exact, rounded = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert [row["way"].split(",")[0] for row in (ours, exact)] == ["genzoo", "llama.cpp"]
    assert exact["nats_per_byte"] == pytest.approx(ours["nats_per_byte"], abs=1e-4)
    assert rounded["nats_per_byte"] == pytest.approx(ours["nats_per_byte"], abs=1e-2)
    assert ours["pairs"] == exact["pairs"] and 0.5 < ours["nats_per_byte"] < 2
    assert capsys.readouterr().out.count("nats/byte") == 3


def test_what_cannot_be_measured_is_one_line():
    with pytest.raises(SystemExit, match=r"^error: no model and no directory is called 'nowhere'"):
        yardsticks.main(["nowhere"])


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--tokens", "300"], "300 tokens do not fit a context of 256"),
        (["--vocabulary", "9"], "--vocabulary is less than 97"),
        (["--rounds", "0"], "'0' is no whole number from 1"),
    ],
)
def test_wrong_options_are_refused_in_a_line(options, error, capsys):
    with pytest.raises(SystemExit):
        text.main(options)
    assert error in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("", ".__main__"),
        *((f".{each}", "") for each in ("text", "training", "ablation", "constraints")),
        *((f".{each}", "") for each in ("yardsticks", "report")),
        (".photographs", ".__main__"),
    ],
)
def test_every_comparison_says_what_it_is(name, inside, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [f"tests.bench{name}", "--help"])
    with pytest.raises(SystemExit) as stopped:
        import_module(f"tests.bench{name}{inside}").main()
    shown = " ".join(capsys.readouterr().out.split())
    assert stopped.value.code == 0 and f"python -m tests.bench{name}" in shown


@pytest.mark.parametrize("choice", ablation.CHOICES)
def test_every_choice_that_is_undone_is_a_recipe(choice):
    Recipe.load(ablation.RECIPE, ablation.CHOICES[choice])


@pytest.mark.long
def test_what_peers_read_is_written_once_and_whole(tmp_path):
    folder = tmp_path / "files" / "model"
    with pytest.raises(RuntimeError, match="stopped"):
        report.prepare(folder, _stopped)
    assert not list(tmp_path.rglob("*.txt"))
    report.prepare(folder, _written)
    report.prepare(folder, _stopped)  # which is not called
    assert [file.name for file in folder.iterdir()] == ["whole.txt"]


def test_data_that_are_missing_are_one_line(tmp_path):
    with pytest.raises(SystemExit, match=r"^error: there is no MNIST; fetch it$"):
        report.prepare(tmp_path / "model", _without_data)
    assert not list(tmp_path.iterdir())


def _written(folder):
    (folder / "whole.txt").touch()


def _without_data(folder):
    raise UsageError("there is no MNIST; fetch it")


def _stopped(folder):
    (folder / "half.txt").touch()
    raise RuntimeError("stopped")


def test_a_goal_is_told_beside_what_was_measured():
    row = {"what": "tokens of 16 streams", "figure": "900 tokens/s", "goal": "0.8"}
    document = machine.described(["numpy"]) | {"command": "x", "rows": [row]}
    assert report.markdown(document).endswith("| tokens of 16 streams | 900 tokens/s | 0.8 |")
