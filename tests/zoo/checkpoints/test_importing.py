"""An imported checkpoint is a run: measured, trained on, and nothing where it went wrong."""

import json
import sys

import numpy as np
import pytest

import zoo
from export import cli
from export.evaluation import evaluate
from serving.errors import GenzooError, UsageError
from tests.zoo.checkpoints.folders import SIZE, TEMPLATE, make
from zoo.checkpoints.importing import import_checkpoint
from zoo.data.given import Given
from zoo.training.workdir import WorkDir

TINY = {"data.limit": 3000, "evaluate.limit": 50, "train.batch_size": 2}


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    place = tmp_path_factory.mktemp("import")
    source = make(place / "Tiny.v1", "qwen3")
    return source, import_checkpoint(source, place / "run", overrides=TINY)


def test_what_it_keeps(imported):
    source, made = imported
    run = WorkDir(made.workdir)
    assert made.recipe.name == "tiny" and made.licence == "cc-by-4.0"
    kept = Given.of_directory(made.workdir)
    assert kept.tokenizer == (source / "tokenizer.json").read_bytes()
    assert kept.template == TEMPLATE and kept.ends == [2, 5]
    record = run.read_record()
    assert record["license"] == "cc-by-4.0" and record["checkpoint"]["source"] == "Tiny.v1"
    ids = np.arange(12).reshape(1, 12)
    np.testing.assert_array_equal(
        zoo.from_workdir(made.workdir)(ids), zoo.from_checkpoint(source)(ids)
    )


@pytest.mark.long
def test_it_is_measured_and_trained_on(imported, tmp_path):
    _, made = imported
    first = evaluate(made.workdir)[0]
    assert first.name == "nats_per_character" and first.samples == 49
    recipe = zoo.fine_tuning(
        made.workdir, {"train.epochs": 1, "train.steps_per_epoch": 2, "train.learning_rate": 1e-3}
    )
    tuned = zoo.train(recipe, tmp_path / "tuned").workdir
    assert recipe.name == "tiny-tuned"
    for file in ("tokenizer.json", "chat_template.jinja", "generation_config.json"):
        assert (tuned / file).read_bytes() == (made.workdir / file).read_bytes()
    record = WorkDir(tuned).read_record()
    assert record["license"] == "cc-by-4.0" and record["checkpoint"]["source"] == "Tiny.v1"
    assert record["dataset"].startswith("python_topics/")
    assert evaluate(tuned)[0].value != first.value


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"model.layers": 1}, "'model.layers' is the checkpoint's to say; what can be changed"),
        ({"model.contxt": 1}, "what can be changed of the model is model.context"),
        ({"model.context": "8"}, "'model.context' is '8'; expected a whole number"),
        ({"model.context": 99}, "context is 99; Tiny sees 12 tokens"),
        ({"data.tokenizer": "character"}, "is 'given'; leave it out"),
        ({"train.epoch": 1}, "did you mean 'epochs'"),
    ],
)
def test_what_cannot_be_changed(overrides, message, tmp_path):
    with pytest.raises(UsageError, match=message):
        import_checkpoint(make(tmp_path / "Tiny"), tmp_path / "run", overrides=overrides)
    assert [each.name for each in tmp_path.iterdir()] == ["Tiny"]


def test_what_goes_wrong_leaves_nothing(tmp_path):
    source = make(tmp_path / "Tiny")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    before = sorted(tmp_path.iterdir())

    def refused(out="run"):
        with pytest.raises(GenzooError) as caught:
            import_checkpoint(source, tmp_path / out)
        assert sorted(tmp_path.iterdir()) == before and "\n" not in str(caught.value)
        return str(caught.value)

    assert "is there already" in refused("taken")
    assert "cannot be written" in refused("Tiny/config.json/run")
    (source / "generation_config.json").write_text(json.dumps({"eos_token_id": [SIZE]}))
    assert f"Tiny: the tokenizer has no token {SIZE}" in refused()
    (source / "generation_config.json").write_text(json.dumps({"eos_token_id": "end"}))
    assert "eos_token_id is 'end'" in refused()
    (source / "generation_config.json").unlink()
    (source / "tokenizer.json").write_text("{}")
    assert "Tiny: the tokenizer cannot be read" in refused()
    (source / "tokenizer.json").unlink()
    assert "Tiny has no tokenizer.json" in refused()


def test_a_recipe_of_it_alone_is_none(imported):
    recipe = zoo.Recipe.load(imported[1].workdir / "recipe.toml")
    with pytest.raises(UsageError, match="'given' is that of an imported model; go on from one"):
        recipe.task()


def test_a_padded_vocabulary(tmp_path):
    source = make(tmp_path / "Tiny", vocab_size=SIZE + 29)
    made = import_checkpoint(source, tmp_path / "run", overrides=TINY)
    assert made.recipe.model.vocabulary_size == SIZE + 29
    words = Given.of_directory(made.workdir).processing(SIZE + 29)
    assert words["tokens"] == SIZE and words["end_tokens"] == [2, 5]
    assert evaluate(made.workdir)
    small = make(tmp_path / "Small", vocab_size=SIZE - 1)
    with pytest.raises(GenzooError, match=f"more tokens than the model, which has {SIZE - 1}"):
        import_checkpoint(small, tmp_path / "other")


def test_the_command(tmp_path, capsys, monkeypatch):
    place = tmp_path / "run"

    def genzoo(*arguments):
        monkeypatch.setattr(sys, "argv", ["genzoo", "import", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code, *capsys.readouterr()

    source = make(tmp_path / "Tiny")
    code, text, _ = genzoo(source, "--out", place, "--set", "model.context=8")
    assert code == 0 and "2 layers x 16" in text and "licence cc-by-4.0" in text
    assert f"next: genzoo evaluate {place}; genzoo export {place}" in text
    assert WorkDir(place).read_recipe().model.context == 8
    code, _, errors = genzoo(source, "--out", place)
    assert code == 2 and errors == f"genzoo: {place} is there already; give a new directory\n"
