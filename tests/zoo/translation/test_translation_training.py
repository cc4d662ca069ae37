"""A translator on the road that every family takes: recipe, run, work directory, evaluation."""

import json

import numpy as np
import pytest

import zoo
from export.evaluation import evaluate
from serving.errors import UsageError
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from zoo.data import tokenizers
from zoo.data.parallel import Pairs
from zoo.translation.data import BEGIN, TranslationData, TranslationDataConfig, fitting
from zoo.translation.evaluate import TranslationEvaluateConfig, bleu_and_chrf
from zoo.translation.evaluate import evaluate as measure
from zoo.translation.writer import writer

RECIPE = {
    "name": "tiny-translation",
    "summary": "for tests",
    "model": {
        "family": "translation",
        "vocabulary_size": 290,
        "context": 48,
        "encoder_layers": 1,
        "decoder_layers": 1,
        "width": 16,
        "heads": 2,
    },
    "data": {
        "name": "number_words",
        "both_ways": True,
        "vocabulary_size": 290,
        "subword_dropout": 0.2,
        "row": 32,
        "limit": 60,
    },
    "train": {
        "epochs": 2,
        "steps_per_epoch": 5,
        "batch_size": 4,
        "learning_rate": 1e-2,
        "ema": 0.5,
    },
    "evaluate": {"limit": 6, "beams": 2},
}


def recipe(**changes):
    """Return the recipe with other values, keys having `__` for the dot."""
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    return zoo.Recipe.parse(RECIPE).changed(keys)


def data(**changes):
    config = TranslationDataConfig.parse(RECIPE["data"] | changes)
    return TranslationData(config, context=48, vocabulary_size=290, seed=3)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return zoo.train(recipe(), tmp_path_factory.mktemp("runs") / "whole")


def test_a_run_learns_and_leaves_text(run):
    assert run.finished and run.steps == 10
    assert run.best_validation_loss < np.log(290)
    assert (run.workdir / "samples/epoch_002.txt").is_file()
    assert zoo.from_workdir(run.workdir).config.context == 48


@pytest.mark.long
def test_resuming_is_bit_equal_to_never_stopping(run, tmp_path, monkeypatch):
    stop_and_resume(recipe(), tmp_path / "run", monkeypatch, step=3)
    assert_same_run(run.workdir, tmp_path / "run")


def test_the_evaluation_measures_both_ways(run):
    metrics = {metric.name: metric for metric in evaluate(run.workdir)}
    assert [*metrics] == [
        *("bleu", "chrf", "nats_per_character"),
        *("bleu_en", "chrf_en", "nats_per_character_en"),
    ]
    assert metrics["bleu"].better == "higher" and metrics["nats_per_character_en"].value > 0
    saved = json.loads((run.workdir / "metrics.json").read_text())["metrics"]
    assert saved[0]["signature"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:")


def test_going_on_keeps_the_tokenizer(run, tmp_path):
    changes = {"data.limit": 40, "train.epochs": 1, "train.steps_per_epoch": 2}
    tuned = zoo.train(zoo.fine_tuning(run.workdir, changes), tmp_path / "tuned")
    ours, theirs = (each.workdir / tokenizers.FILE for each in (tuned, run))
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.long
def test_what_filled_gaps_is_learned_before_translating(tmp_path):
    size = 310
    sizes = {"data__vocabulary_size": size, "model__vocabulary_size": size}
    filled = recipe(data__objective="spans", train__epochs=1, **sizes)
    gaps = zoo.train(filled, tmp_path / "gaps")
    (metric,) = evaluate(gaps.workdir)
    assert metric.name == "nats_per_token" and 0 < metric.value < 2 * np.log(size)
    after = recipe(train__epochs=1, train__initial_weights=str(gaps.workdir), **sizes)
    assert zoo.train(after, tmp_path / "translation").finished


def test_gaps_need_a_tokenizer_that_knows_them(run, tmp_path):
    wanted = recipe(data__objective="spans", train__initial_weights=str(run.workdir))
    with pytest.raises(zoo.UsageError, match="has no tokens for gaps"):
        zoo.train(wanted, tmp_path / "run")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model__vocabulary_size": 50}, r"set model\.vocabulary_size=290"),
        ({"data__row": 64}, r"data\.row is 64 and the model takes 48 tokens; lower data\.row"),
        ({"data__languages": ["en", "fr"]}, "'number_words' are in en and de"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, changes, said):
    with pytest.raises(zoo.UsageError, match=said):
        zoo.train(recipe(**changes), tmp_path / "run")
    assert not list(tmp_path.iterdir())


# --- batches ---


def test_batches_are_a_function_of_seed_and_step_alone():
    ours, theirs = data(), data()
    each = ours.passes(2)
    first = ours.batches(2, start=0)
    batches = [next(first) for _ in range(each + 2)]
    for start in (1, each, each + 1):
        found = next(theirs.batches(2, start))
        for name, values in found[0].items():
            np.testing.assert_array_equal(values, batches[start][0][name])
    assert all(batch[1].shape == (2, 32) for batch in batches)


def test_a_source_says_the_language_it_is_to_be_translated_into():
    made = data(subword_dropout=0.0)
    rows = made.rows("validation")
    firsts = rows["input_ids"][(rows["position_ids"] == 0) & (rows["attention_mask"] > 0)]
    assert {*firsts.tolist()} == {*made.languages.values()}
    assert [*made.languages] == ["de", "en"]
    starts = (rows["decoder_position_ids"] == 0) & (rows["decoder_attention_mask"] > 0)
    assert {*rows["decoder_input_ids"][starts].tolist()} == {BEGIN}
    one_way = data(both_ways=False, subword_dropout=0.0)
    assert one_way.languages == {"de": None}


# --- BLEU ---


def test_bleu_is_that_of_sacrebleu_with_its_signature():
    written, references = ["A dog runs .", "Two men sit ."], ["a dog runs .", "two men sit ."]
    cased = list(bleu_and_chrf(written, references, TranslationEvaluateConfig()))
    settings = TranslationEvaluateConfig(lowercase=True, tokenize="none")
    small = list(bleu_and_chrf(written, references, settings))
    assert cased[0][1] < 90 < small[0][1] == pytest.approx(100)
    assert "case:lc|eff:no|tok:none" in small[0][2]
    assert "nc:6|nw:2" in cased[1][2]


def test_pairs_that_a_model_cannot_take_are_left_out_and_counted(run):
    known = writer(zoo.from_workdir(run.workdir), (run.workdir / tokenizers.FILE).read_bytes(),
                   data().languages)  # fmt: skip
    pairs = Pairs(["two", "two " * 60, "three", "four"], ["zwei", "zwei", "drei " * 60, "vier"])
    assert fitting(known, pairs, "de") == Pairs(["two", "four"], ["zwei", "vier"])
    with pytest.raises(UsageError, match="all of 1 texts to be translated into 'de' are longer"):
        fitting(known, Pairs(["two " * 60], ["zwei"]), "de")
    settings = TranslationEvaluateConfig(beams=1)
    metrics = [*measure(known, {"de": pairs, "en": pairs.turned}, settings)]
    assert {each.samples for each in metrics} == {2}
    assert all("without 2 that are too long" in each.definition for each in metrics)
