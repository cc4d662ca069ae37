"""The commands and snippets of README and pages run, and their numbers are those of the bundles."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from serving.bundle.manifest import read_manifest
from serving.catalogue import models
from serving.hub import find
from tests.bench.report import page
from tests.commands import genzoo

ROOT = Path(__file__).parent.parent
README, RESULTS = ROOT / "README.md", (ROOT / "docs/results.md").read_text(encoding="utf-8")
NAMES = [
    "training",
    "data",
    "smaller",
    "importing",
    "shipping",
    "checkpoints",
    "publishing",
    "extending",
    "text",
    "music",
    "translation",
    "masked",
    "restoration",
    "repair",
    "style",
    "flow",
    "guidance",
    "codes",
    "scenes",
    "video",
    "chat",
    "server",
    "provenance",
    "deploying",
    "results",
]
QUICK = {"README", "chat", "checkpoints", "data", "deploying", "server", "text"}
PAGES = [README, *(ROOT / "docs" / f"{name}.md" for name in NAMES)]


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.M | re.S)


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page.stem, marks=[pytest.mark.long] * (page.stem not in QUICK))
        for page in PAGES
        if page.stem != "results"
    ],
)
def test_every_command_and_snippet_runs(page, tmp_path):
    """In the order of the page, in one empty folder, as a reader would."""
    file = next(each for each in PAGES if each.stem == page)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path / "home")}
    folder = tmp_path / "empty"
    folder.mkdir()

    text = file.read_text(encoding="utf-8")
    for language, block in re.findall(r"^```(bash|python)\n(.*?)^```", text, flags=re.M | re.S):
        if language == "python":
            done = subprocess.run(
                [sys.executable, "-c", block],
                cwd=folder, env=environment, capture_output=True, text=True, timeout=300,
            )  # fmt: skip
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            continue
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words[:1] == ["genzoo"]:
                ended = genzoo(words[1:], folder, environment)
                assert ended.returncode == 0, f"{line}\n{ended.printed}"
            else:
                assert words[:2] == ["pip", "install"], line
    made = {path.name for path in folder.iterdir()}
    assert page != "README" or {"grid.png", "threes.png", "again.png", "bundles"} <= made


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_option_named_on_a_page_exists(page, capsys):
    from export.cli import joined
    from serving.commands.app import run

    text = "\n".join(blocks(page, "console")).replace("\\\n", " ")
    for line in text.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["genzoo"]:
            with pytest.raises(SystemExit):
                run(joined(), [words[1], "--help"])
            shown = capsys.readouterr().out
            for option in (word for word in words if word.startswith("--")):
                assert option in shown, f"{line}: {option}"


def test_the_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 200


@pytest.mark.parametrize("package", ["chiptunes"])
def test_extending_counts_the_lines_of_the_package_it_shows(package):
    folder = ROOT / "tests/packages" / package
    text = (ROOT / "docs/extending.md").read_text(encoding="utf-8")
    for name, lines in re.findall(
        r"^\| `([a-z_]+\.(?:py|toml))` .*\| (\d+)(?: lines)? \|$", text, re.M
    ):
        (file,) = folder.rglob(name)
        found = len(file.read_text(encoding="utf-8").splitlines())
        assert abs(found - int(lines)) <= 10, f"{name}: {found} lines"


SHOWN = {  # metrics of a family's table, and how they are written there
    "vae": {"nll": "{value:.2f} | {importance_samples:,}"},
    "gan": {"fcd": "{value:.2f} | {floor:.2f}", "coverage": "{value:.3f}"},
    "transformer": {
        "nats_per_character": "{value:.3f}",
        "nats_per_character_disjoint": "{value:.3f}",
    },
    "masked": dict.fromkeys(("word_top1", "word_top5", "word_top5_trigram"), "{value:.1%}"),
    "repair": dict.fromkeys(
        [f"{task}{way}_psnr" for task in ("denoise", "inpaint") for way in ("", "_plain")]
        + ["deblur_psnr", "deblur_blind_psnr", "colourise_psnr"],
        "{value:.2f}",
    ),
    "flow": {"fcd": "{value:.2f} | {floor:.2f}", "coverage": "{value:.3f}"},
    "code_prior": {"fcd": "{value:.2f} | {floor:.2f}", "coverage": "{value:.3f}"},
    "video_prediction": {"mse": "{value:.1f}", "ssim": "{value:.3f}"},
    "restoration": dict.fromkeys(("set5_psnr", "set14_psnr", "bsd100_psnr"), "{value:.2f}"),
    "music": {"nats_per_note": "{value:.4f}", "nats_per_note_validation": "{value:.4f}"},
}
LABELLED = {
    "label_agreement": "{value:.2%}",
    "transfer_accuracy": "{value:.2%}",
    "matched_accuracy": "{value:.2%}",
    "style_agreement": "{value:.1%}",
}


@pytest.mark.parametrize("name", models())
def test_the_table_shows_the_numbers_of_the_bundles(name):
    manifest = read_manifest(find(name).directory)
    row = next(line for line in RESULTS.splitlines() if line.startswith(f"| `{name}`"))
    metrics = {metric["name"]: metric for metric in manifest.metrics}
    shown = SHOWN[manifest.family] | {key: LABELLED[key] for key in LABELLED if key in metrics}
    for metric, words in shown.items():
        assert words.format(**metrics[metric]) in row, metric
    assert f"{manifest.parameters:,}" in row
    assert f"{round(manifest.provenance.train_seconds):,}" in row


def test_the_ablation_shows_what_was_measured():
    for row in json.loads((ROOT / "docs/ablation.json").read_text()):
        line = next(
            line for line in RESULTS.splitlines() if line.startswith(f"| {row['choice']} |")
        )
        for name in ("nats_per_character_disjoint", "nats_per_character"):
            assert f"| {row[name]:.3f} |" in line


def test_the_speed_shown_is_what_was_measured():
    lines = [line for line in RESULTS.splitlines() if line.startswith("|")]
    training = json.loads((ROOT / "docs/training.json").read_text())
    for row in (row for row in training if row["step"] != "genzoo"):
        kind = {"gpt": "| GPT,", "dcgan": "| DCGAN of"}[row["model"]]
        line = next(line for line in lines if line.startswith(kind) and row["precision"] in line)
        assert f"| {row['ratio']:.2f} |" in line


def test_the_sentences_shown_are_what_was_measured():
    text = (ROOT / "docs/text.md").read_text(encoding="utf-8")
    found = json.loads((ROOT / "docs/blimp.json").read_text())
    rows = {row.pop("variant"): row for row in found["rows"]}
    assert [*rows] == ["fused", "fused-int8", "fused-int4"] and found["command"] in text
    for name, pairs in found["pairs"].items():
        words = "**all**" if name == "all" else name.replace("_", " ")
        shares = " | ".join(f"{row[name]:.3f}" for row in rows.values())
        assert f"| {words} | {pairs:,} | {shares} |" in text
    for name, share in found["published"].items():
        assert f"{name} {share:.2f}" in text


def test_what_guidance_brings_is_what_was_measured():
    text = (ROOT / "docs/guidance.md").read_text(encoding="utf-8")
    for row in json.loads((ROOT / "docs/guided.json").read_text())["rows"]:
        steps = {0: "none", 10: "10 of strength 2", 40: "40"}[row["guidance_steps"]]
        measured = (
            f"{row['share_of_the_class']:.3f} | {row['fcd']:.1f} ({row['fcd_floor']:.1f}) | "
            f"{row['diversity_within_classes']:.1f} |"
        )
        assert f"| `{row['model']}` | {steps} | {measured}" in text


def test_the_comparisons_shown_are_what_was_measured():
    files = sorted((ROOT / "docs").glob("bench-*.json"))
    assert (ROOT / "docs/speed.md").read_text(encoding="utf-8") == page(files)


@pytest.mark.parametrize("name", models())
def test_the_readme_shows_the_numbers_of_the_results(name):
    """The measure of a model in the README's table is in its row of the results."""
    text = README.read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
    value = row.split("|")[4].strip()
    results = next(line for line in RESULTS.splitlines() if line.startswith(f"| `{name}`"))
    assert f"| {value} |" in results


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_picture_and_page_is_there(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_what_is_said_of_video_is_what_was_measured():
    text = (ROOT / "docs/video.md").read_text(encoding="utf-8")
    found = json.loads((ROOT / "docs/video.json").read_text())["metrics"]
    for other in ("", "_copy_last", "_straight_on", "_reconstruction"):
        mse, mae, ssim = (found[f"{name}{other}"]["value"] for name in ("mse", "mae", "ssim"))
        assert f"| {mse:.1f} | {mae:.1f} | {ssim:.3f} |" in text
        by_frame = " | ".join(f"{value:.0f}" for value in found[f"mse{other}"]["by_frame"])
        assert f"| {by_frame} |" in text
    for name in ("digit_accuracy", "digit_accuracy_true"):
        assert f"| {found[name]['value']:.1%} |" in text


def test_what_is_said_of_runs_that_are_not_published_was_measured():
    """In the head of each recipe, and of seeds and steps in the documents."""
    runs = json.loads((ROOT / "docs/runs.json").read_text())
    heads = {
        name: " ".join(
            (ROOT / f"zoo/recipes/{name}.toml").read_text().split("summary =")[0].split()
        )
        for name in runs
        if (ROOT / f"zoo/recipes/{name}.toml").exists()
    }
    for name in ("codes-mnist", "codes-scenes"):
        assert f"{runs[name]['psnr']:.1f} dB" in heads[name]
        assert f"{runs[name]['bits']:.0f} bits" in heads[name]
    assert f"{runs['codes-scenes']['code_usage']:.1%} of the codes" in heads["codes-scenes"]
    assert f"{runs['style-flowers']['style_left']:.1%}" in heads["style-flowers"]
    results = " ".join(RESULTS.split())
    found = runs["infogan-mnist"]
    for accuracy in found["matched_accuracy"]:
        assert f"{accuracy:.2%}" in results and f"{accuracy:.2%}" in heads["infogan-mnist"]
    assert f"{np.mean(found['matched_accuracy']):.1%} on average" in results
    assert len(found["bound"]) == 10
    assert found["bound"].index(max(found["bound"])) == 8  # the seed that ships
    text = " ".join((ROOT / "docs/flow.md").read_text(encoding="utf-8").split())
    for steps, distance in runs["flow-mnist"]["fcd"].items():
        assert f"{distance:.3g}" in text, steps
