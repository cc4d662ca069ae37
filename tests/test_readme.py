"""The README's commands and snippets run, and its numbers are those of the bundles."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from serving.bundle.manifest import read_manifest
from serving.catalogue import models
from serving.hub import find
from tests.bench.report import page

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.M | re.S)


def test_every_command_and_snippet_runs(tmp_path):
    """In the order of the README, in one empty folder, as a reader would."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    genzoo = [sys.executable, "-c", "from export.cli import main; main()"]

    def run(command: list[str]) -> None:
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"

    for language, block in re.findall(r"^```(bash|python)\n(.*?)^```", TEXT, flags=re.M | re.S):
        if language == "python":
            run([sys.executable, "-c", block])
            continue
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["genzoo"]:
                run(genzoo + words[1:])
            else:
                assert words[:2] == ["pip", "install"], line
    made = {path.name for path in tmp_path.iterdir()}
    assert {"grid.png", "threes.png", "first.png", "runs", "bundles"} <= made


def test_every_option_named_in_the_readme_exists():
    from typer.testing import CliRunner

    from export.cli import joined

    text = "\n".join(blocks("console")).replace("\\\n", " ")
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["genzoo"]:
            shown = CliRunner().invoke(joined(), [words[1], "--help"]).output
            for option in (word for word in words if word.startswith("--")):
                assert option in shown, f"{line}: {option}"


SHOWN = {  # metrics of a family's table, and how they are written there
    "vae": {"nll": "{value:.2f} | {importance_samples:,}"},
    "gan": {"fcd": "{value:.2f} | {floor:.2f}", "coverage": "{value:.3f}"},
    "transformer": {
        "nats_per_character": "{value:.3f}",
        "nats_per_character_disjoint": "{value:.3f}",
    },
}
LABELLED = {"label_agreement": "{value:.2%}", "transfer_accuracy": "{value:.2%}"}


@pytest.mark.parametrize("name", models())
def test_the_table_shows_the_numbers_of_the_bundles(name):
    manifest = read_manifest(find(name).directory)
    row = next(line for line in TEXT.splitlines() if line.startswith(f"| `{name}`"))
    metrics = {metric["name"]: metric for metric in manifest.metrics}
    shown = SHOWN[manifest.family] | {key: LABELLED[key] for key in LABELLED if key in metrics}
    for metric, words in shown.items():
        assert words.format(**metrics[metric]) in row, metric
    assert f"{manifest.parameters:,}" in row
    assert f"{round(manifest.provenance.train_seconds):,}" in row


def test_the_ablation_shows_what_was_measured():
    for row in json.loads((ROOT / "docs/ablation.json").read_text()):
        line = next(line for line in TEXT.splitlines() if line.startswith(f"| {row['choice']} |"))
        for name in ("nats_per_character_disjoint", "nats_per_character"):
            assert f"| {row[name]:.3f} |" in line


def test_the_speed_shown_is_what_was_measured():
    lines = [line for line in TEXT.splitlines() if line.startswith("|")]
    training = json.loads((ROOT / "docs/training.json").read_text())
    for row in (row for row in training if row["step"] != "genzoo"):
        kind = {"gpt": "| GPT,", "dcgan": "| DCGAN of"}[row["model"]]
        line = next(line for line in lines if line.startswith(kind) and row["precision"] in line)
        assert f"| {row['ratio']:.2f} |" in line


def test_the_comparisons_shown_are_what_was_measured():
    files = sorted((ROOT / "docs").glob("bench-*.json"))
    whole = page(files)
    assert (ROOT / "docs/speed.md").read_text(encoding="utf-8") == whole
    for file in files:
        document = json.loads(file.read_text())
        beginnings = {f"| {row['model']} |" for row in document["rows"]}
        shown = [line for line in TEXT.splitlines() if any(map(line.startswith, beginnings))]
        assert set(shown) <= set(whole.splitlines())


def test_every_picture_is_there():
    for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", TEXT):
        assert (ROOT / target).is_file(), target
