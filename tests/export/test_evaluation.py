"""A run is measured on the data that it was made for, found from any folder, and on no others."""

import json
import os
import shutil
import sys

import pytest

import export
import zoo
from export import cli
from export.evaluation import evaluate, evaluate_on
from serving.errors import UsageError
from tests.serving import tiny_text_bundle
from tests.serving.tiny_bundle import reseal
from tests.zoo.training.test_state import photos, train

TEXT = "the cat sat on the mat, and the dog sat on the cat. " * 60
TINY = {
    "model.context": 16,
    "model.layers": 1,
    "model.width": 16,
    "model.heads": 2,
    "model.vocabulary_size": len(set(TEXT)) + 3,
    "train.epochs": 1,
    "train.steps_per_epoch": 2,
    "train.batch_size": 4,
}
FEW = {"evaluate.importance_samples": 2}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with data and runs, given by relative paths; we are in another one."""
    root = tmp_path / "project"
    photos(root / "photos")
    (root / "book.txt").write_text(TEXT)
    monkeypatch.chdir(root)
    train("./photos", "images")
    zoo.train("gpt-shakespeare-nano", "text", overrides=TINY | {"data.name": "book.txt"})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return root


def measure(project):
    evaluate(project / "images", overrides=FEW)
    evaluate(project / "text")


@pytest.mark.long
def test_data_are_found_from_another_folder_touched_or_moved(project, tmp_path, monkeypatch):
    measure(project)
    for file in (*(project / "photos").iterdir(), project / "book.txt"):
        os.utime(file, ns=(0, 0))
    measure(project)
    moved = shutil.move(project, tmp_path / "moved")
    monkeypatch.chdir(moved)
    measure(moved)


@pytest.mark.long
def test_other_data_under_the_same_name_are_refused(project):
    (project / "book.txt").write_text(TEXT.replace("dog", "god"))  # the same characters
    photos(project / "photos", 65)
    for run in ("images", "text"):
        with pytest.raises(UsageError, match=rf"the data of .*{run} were .* and are now"):
            evaluate(project / run, overrides=FEW if run == "images" else None)
        with pytest.raises(UsageError, match=rf"the data of .*{run} were .* and are now"):
            export.export(project / run, project / "out", formats=["onnx"], variants=["fp16"])
        assert not (project / run / "metrics.json").exists()


@pytest.mark.long
def test_a_bundle_names_data_as_the_recipe_did_and_no_folder_of_this_machine(project):
    bundle = export.export(project / "text", project / "out", formats=["onnx"])
    provenance = json.loads((bundle / "bundle.json").read_text())["parts"]["model"]["provenance"]
    assert provenance["recipe"]["data"]["name"] == "book.txt"
    assert str(project) not in (bundle / "bundle.json").read_text()


# --- on pairs of sentences ---


@pytest.fixture
def genzoo(capsys, monkeypatch):
    """Run a command line in this process: `genzoo("evaluate") -> (exit code, stdout, stderr)`."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["genzoo", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code, *capsys.readouterr()

    return run


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A bundle of a language model with two variants of the same graph, and a file of pairs."""
    bundle = tiny_text_bundle.write_bundle(tmp_path / "toy")
    variants = json.loads((bundle / "bundle.json").read_text())["variants"]
    reseal(bundle, variants=variants | {"int8": variants["fp32"]})
    rows = [
        {"UID": test, "linguistics_term": term, "sentence_good": f"{text} a",
         "sentence_bad": f"{text[::-1]} a"}
        for test, term in (("one", "binding"), ("two", "ellipsis"))
        for text in ("abc", "fed", "hag", "éb")
    ]  # fmt: skip
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return bundle


def test_every_variant_is_asked_which_sentence_is_right(toy, genzoo):
    found = evaluate_on(toy, "pairs.jsonl", variant="all")
    assert [*found] == ["fp32", "int8"] and found["fp32"] == found["int8"]
    assert [metric.samples for metric in found["fp32"]] == [4, 4, 8]
    assert evaluate_on(toy, "pairs.jsonl", limit=3, variant="int8")["int8"][-1].samples == 6
    code, out, _ = genzoo("evaluate", "toy", "--on", "pairs.jsonl", "--variant", "all")
    rows = [line.split() for line in out.splitlines()]
    assert code == 0 and [row[0] for row in rows] == ["pairs", "binding", "ellipsis", "all"]
    share = f"{found['fp32'][-1].value:.4f}"
    assert rows[0][1:] == ["fp32", "int8"] and rows[-1] == ["all", "8", share, share]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["toy", "--on", "pairs.txt"], "no pairs of sentences by the name 'pairs.txt'"),
        (["toy", "--on", "pairs.jsonl", "--limit", "0"], "limit is 0; expected a whole number"),
        (["toy", "--on", "pairs.jsonl", "--quick"], "--set and --quick are for the recipe's own"),
        (["toy", "--on", "pairs.jsonl", "--variant", "int9"], "int9"),
        (["toy", "--limit", "3"], "--limit goes with --on; leave it out"),
        (["vae-mnist", "--on", "pairs.jsonl"], "vae-mnist does not say how likely a sentence is"),
        (["run", "--on", "pairs.jsonl"], "run is a run, and --on takes bundles"),
    ],
)
def test_what_pairs_are_not_for_is_one_line(toy, genzoo, words, complaint):
    (toy.parent / "run").mkdir()
    (toy.parent / "run/recipe.toml").touch()
    code, out, err = genzoo("evaluate", *words)
    assert (code, out) == (2, "") and complaint in err and len(err.splitlines()) == 1
