"""A masked language model on the road of every family: batches, run, exact resume, evaluation."""

import json

import numpy as np
import pytest
import tensorflow as tf

import zoo
from export.evaluation import evaluate
from serving.text.masked.filler import MASK
from tests.zoo.masked.tiny_masked import RECIPE, recipe
from tests.zoo.training.interrupted import assert_same_run, stop_and_resume
from zoo.data import tokenizers
from zoo.masked.data import MASK_ID, ORDINARY, MaskedText, MaskedTextConfig
from zoo.masked.evaluate import MaskedEvaluateConfig, floors, masked_nats, some_words
from zoo.masked.floors import Trigrams

CONTEXT = RECIPE["model"]["context"]


@pytest.fixture(scope="module")
def text():
    return MaskedText(MaskedTextConfig.parse(RECIPE["data"]), CONTEXT)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return zoo.train(recipe(), tmp_path_factory.mktemp("runs") / "whole")


def test_a_run_learns_and_leaves_gaps_that_it_fills(run):
    assert run.finished and run.steps == 10
    assert run.best_validation_loss < np.log(330)
    drawn = (run.workdir / "samples/epoch_002.txt").read_text(encoding="utf-8")
    assert drawn.count(f"{MASK}: ") == 4


def test_resuming_is_bit_equal_to_never_stopping(run, tmp_path, monkeypatch):
    stop_and_resume(recipe(), tmp_path / "run", monkeypatch, step=3)
    assert_same_run(run.workdir, tmp_path / "run")


def test_the_evaluation_has_floors_beside_it(run):
    metrics = {metric.name: metric for metric in evaluate(run.workdir)}
    kinds = ("word_top1", "word_top5", "nats_per_word")
    floors = [f"{kind}{of}" for of in ("", "_unigram", "_trigram") for kind in kinds]
    assert [*metrics] == ["nats_per_masked_token", *floors]
    assert metrics["nats_per_masked_token"].samples == 200
    assert metrics["word_top5"].better == "higher" and metrics["nats_per_word"].better == "lower"
    saved = json.loads((run.workdir / "metrics.json").read_text())["metrics"]
    assert [each["name"] for each in saved] == [*metrics]


def test_going_on_keeps_the_tokenizer(run, tmp_path):
    changes = {"data.limit": 10_000, "train.epochs": 1, "train.steps_per_epoch": 2}
    tuned = zoo.train(zoo.fine_tuning(run.workdir, changes), tmp_path / "tuned")
    ours, theirs = (each.workdir / tokenizers.FILE for each in (tuned, run))
    assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model__vocabulary_size": 50}, r"set model\.vocabulary_size=330"),
        ({"data__tokenizer": "character"}, r"data\.tokenizer"),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path, changes, said):
    with pytest.raises(zoo.UsageError, match=said):
        zoo.train(recipe(**changes), tmp_path / "run")
    assert not list(tmp_path.iterdir())


# --- batches ---


def test_batches_are_a_function_of_seed_and_step_alone(text):
    batches = list(text.training_batches(4, seed=3).take(4))
    for step, batch in enumerate(batches):
        again = next(iter(text.training_batches(4, seed=3, start=step)))
        for one, other in zip(tf.nest.flatten(batch), tf.nest.flatten(again), strict=True):
            np.testing.assert_array_equal(one, other)
    other = next(iter(text.training_batches(4, seed=4)))
    assert np.any(other[0]["input_ids"] != batches[0][0]["input_ids"])


def test_rows_are_framed_lines_of_which_a_share_is_to_be_predicted(text):
    train, kinds = text.tokens("train").tolist(), np.zeros(3)
    joined = ",".join(map(str, train)) + ","
    for inputs, targets, weights in text.training_batches(16, seed=0).take(20):
        arrays = (inputs["input_ids"], inputs["attention_mask"], inputs["places"])
        for ids, mask, places, own, weight in zip(
            *map(np.asarray, arrays), np.asarray(targets), np.asarray(weights), strict=True
        ):
            length = mask.sum()
            assert mask[:length].all() and not mask[length:].any() and not ids[length:].any()
            assert (ids[0], ids[length - 1]) == (tokenizers.BOS, tokenizers.EOS)
            wanted = weight.astype(bool)
            assert wanted.sum() == max(1, round((length - 2) * text.config.masked))
            restored = ids.copy()
            restored[places[wanted]] = own[wanted]
            assert ",".join(map(str, restored[1 : length - 1].tolist())) + "," in joined
            seen = ids[places[wanted]]
            kinds += [(seen == MASK_ID).sum(), (seen == own[wanted]).sum(), wanted.sum()]
            assert (seen[seen != MASK_ID] >= ORDINARY).all()
    assert kinds[0] / kinds[2] == pytest.approx(0.8, abs=0.05)
    assert kinds[1] / kinds[2] == pytest.approx(0.1, abs=0.04)


def test_each_token_is_measured_once(text):
    inputs, targets, weights = text.measured("validation")
    tokens = text.tokens("validation")
    hidden = weights > 0
    assert hidden.sum() == len(tokens)
    assert (inputs["input_ids"][hidden] == MASK_ID).all()
    np.testing.assert_array_equal(inputs["input_ids"][~hidden], targets[~hidden])
    np.testing.assert_array_equal(np.sort(targets[hidden]), np.sort(tokens))


def test_a_text_of_one_long_line_is_drawn_from_anywhere(tmp_path):
    file = tmp_path / "line.txt"
    file.write_text("all of it is one line and goes on and on " * 80)
    config = MaskedTextConfig(name=str(file), vocabulary_size=300)
    batch, _, _ = next(iter(MaskedText(config, 16).training_batches(8, seed=0)))
    assert len({*map(bytes, batch["input_ids"].numpy())}) > 4


# --- what is measured ---


def test_a_model_that_knows_the_text_is_never_surprised(text):
    def predict(ids, mask):
        logits = np.zeros((*ids.shape, text.size), np.float32)
        for row, own in zip(logits, ids, strict=True):
            inside = own[own >= MASK_ID]
            at = next(start for start in range(len(tokens)) if fits(tokens[start:], inside))
            row[1 + np.arange(len(inside)), tokens[at : at + len(inside)]] = 99
        return logits

    def fits(some, inside):
        return len(some) >= len(inside) and np.all(
            (inside == MASK_ID) | (inside == some[: len(inside)])
        )

    tokens = text.tokens("test")[:60]
    assert masked_nats(predict, text, limit=60).max() < 1e-6


def test_counting_is_that_of_its_paper():
    tokens = np.array([0, 1, 2, 0, 1, 3, 0, 1, 2, 4])
    counted = Trigrams(tokens, size=5)
    unigram = (np.bincount(tokens, minlength=5) + 1) / 15
    once = (np.array([0, 0, 2, 1, 0]) + 2 * unigram) / 5  # after 1 came 2 twice, and 3
    twice = (np.array([0, 0, 2, 1, 0]) + 2 * once) / 5  # after 0 1 as well
    np.testing.assert_allclose(counted._next(0, 1), twice)
    assert counted._next(0, 1).sum() == pytest.approx(1)
    for found in (counted._links(1, 0), counted._later(0, 1)):
        assert found.shape == (5,) and (found > 0).all() and (found < 1).all()
    assert np.exp(counted.log_probs(np.array([0, 1]), np.array([0, 1]))).sum() == pytest.approx(1)
    assert counted.log_probs(np.array([0, 1]), np.array([0, 1])).argmax() in (2, 3)


def test_links_are_the_probability_of_what_follows_each_token():
    tokens = np.random.RandomState(0).randint(0, 6, 200)
    counted = Trigrams(tokens, size=6)
    for second, third in ((0, 1), (5, 5), (2, 4)):
        expected = [counted._next(second, token)[third] for token in range(6)]
        np.testing.assert_allclose(counted._links(second, third), expected)
        later = [counted._next(token, second)[third] for token in range(6)]
        np.testing.assert_allclose(counted._later(second, third), later)


def test_floors_are_told_that_it_is_a_word(text):
    places, share = some_words(text, MaskedEvaluateConfig(words=10))
    assert len(places) == 10 and 0 < share <= 1
    for found in floors(text, places).values():
        assert np.exp(found).sum(axis=1) == pytest.approx(1)
        assert np.isneginf(found[:, ~text.word_tokens]).all()
        assert np.isfinite(np.take_along_axis(found, text.tokens("test")[places][:, None], 1)).all()
