"""Which of two sentences a model prefers, however many are read at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import serving
from serving.catalogue import MODELS
from serving.errors import UsageError
from serving.text.filters import log_softmax
from tests.serving.text.toy_language import CORPUS, ToyStep, language_model
from tests.zoo.data.test_minimal_pairs import BLIMP
from zoo.data.minimal_pairs import Pair, read
from zoo.evaluation import minimal_pairs
from zoo.evaluation.minimal_pairs import evaluate_pairs, log_probabilities

MODEL = language_model(context=16)
SENTENCES = st.lists(st.text(CORPUS, min_size=1, max_size=24), min_size=1, max_size=9)


def one_by_one(sentence):
    """Return the log-probability of a sentence, token by token, each from all before it."""
    known, step, total = MODEL.tokenizer, ToyStep(MODEL.tokenizer.size), 0.0
    step.head[[known.pad, known.bos]] = 0
    ids = known.encode(known.beginning)[-1:] + known.encode(sentence)
    for end in range(1, len(ids)):
        text = np.array([ids[:end]])
        logits, _ = step(text, np.ones_like(text), np.arange(end)[None], None)
        total += log_softmax(logits[0, -1])[ids[end]]
    return total


@settings(max_examples=30, deadline=None)
@given(SENTENCES, st.sampled_from([1, 300, 2**23]))
def test_a_sentence_is_worth_the_same_alone_and_among_others(sentences, most):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(minimal_pairs, "LOGITS", most)
        found = log_probabilities(MODEL, sentences)
    short = [at for at, sentence in enumerate(sentences) if len(sentence) <= MODEL.context]
    expected = [one_by_one(sentences[at]) for at in short]
    np.testing.assert_allclose(found[short], expected, rtol=1e-5)
    assert np.all(found < 0)


def test_what_is_longer_than_the_window_is_read_in_windows_that_slide():
    long = "abcdefgh " * 5
    known = MODEL.tokenizer
    prefix = known.beginning
    expected = MODEL.score(prefix[-1:] + long).nats if len(known.encode(prefix)) == 1 else None
    [found] = log_probabilities(MODEL, [long])
    assert expected is None or found == pytest.approx(-expected)


def test_the_share_is_the_mean_over_tests():
    good, bad = sorted(["abcd", "dcba"], key=one_by_one, reverse=True)
    pairs = [Pair("a", "x", good, bad)] * 3 + [Pair("a", "x", bad, good)]
    pairs += [Pair("b", "x", bad, good), Pair("c", "y_z", good, bad), Pair("c", "y_z", good, good)]
    found = {metric.name: metric for metric in evaluate_pairs(MODEL, pairs)}
    assert [*found] == ["pairs_x", "pairs_y_z", "pairs_all"]
    assert found["pairs_x"].value == pytest.approx((0.75 + 0) / 2)
    assert found["pairs_y_z"].value == 0.5  # what is even is not right
    assert found["pairs_all"].value == pytest.approx((0.75 + 0 + 0.5) / 3)
    assert [metric.samples for metric in found.values()] == [5, 2, 7]
    assert {metric.better for metric in found.values()} == {"higher"}


def test_characters_that_the_model_lacks_are_one_line():
    with pytest.raises(UsageError, match="a sentence has characters that this model does not know"):
        list(evaluate_pairs(MODEL, [Pair("a", "x", "abc", "xyz")]))


def test_the_published_pairs():
    if not BLIMP.is_file():
        pytest.skip("text/blimp.jsonl.gz is not beside the data sets")
    model = serving.load(MODELS / "gpt-python-topics", device="cpu")
    found = list(evaluate_pairs(model, read(str(BLIMP), limit=2)))
    assert len(found) == 13 and found[-1].samples == 134
    assert 0.35 < found[-1].value < 0.65  # it has read of Python, and guesses
