"""Scores of texts with a toy network: every token once, in windows, in pieces."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.text import scoring
from serving.text.filters import log_softmax
from serving.text.scoring import score
from tests.serving.text.complaint import complaint
from tests.serving.text.toy_language import ToyStep, language_model

FEW = settings(max_examples=40, deadline=None)


@FEW
@given(st.integers(2, 50), st.integers(1, 16))
def test_a_score_predicts_every_token_once(length, stride):
    step = ToyStep(7)
    ids = np.random.RandomState(length).randint(0, 7, length)
    scored = score(step, ids, context=16, stride=stride)
    assert scored.tokens == length - 1 and np.all(scored.log_probs < 0)
    assert scored.perplexity == pytest.approx(np.exp(scored.nats / (length - 1)))
    begin, done = 0, 1
    for index, log_prob in enumerate(scored.log_probs, start=1):
        while index > begin + 16:
            begin, done = begin + stride, begin + 17
        assert done <= index
        text = ids[None, begin:index]
        logits, _ = step(text, np.ones_like(text), np.arange(index - begin)[None], None)
        assert log_softmax(logits[0, -1])[ids[index]] == pytest.approx(log_prob)


@pytest.mark.parametrize("stride", [1, 5, 16])
def test_a_score_is_the_same_however_much_is_read_at_once(monkeypatch, stride):
    ids = np.random.RandomState(1).randint(0, 7, 50)
    whole, step, most = score(ToyStep(7), ids, context=16, stride=stride), ToyStep(7), []

    def watched(*arguments):
        logits, past = step(*arguments)
        most.append(logits.shape[1])
        return logits, past

    monkeypatch.setattr(scoring, "PIECE", 5)
    monkeypatch.setattr(scoring, "_LOGITS", 3 * 7)
    pieces = score(watched, ids, context=16, stride=stride)
    np.testing.assert_allclose(pieces.log_probs, whole.log_probs, rtol=1e-12)
    assert max(most) == 5


def test_scores_of_texts():
    model = language_model()
    scored = model.score("abc 中é" * 20, stride=4)
    assert scored.characters == scored.tokens == 119
    assert scored.nats_per_character == scored.nats_per_token
    assert scored.bytes == len(("abc 中é" * 20).encode()) - 1
    assert scored.nats_per_byte == pytest.approx(scored.nats / scored.bytes)
    assert np.isnan(score(ToyStep(7), [1, 2, 3], context=16).nats_per_byte)
    assert "has 1 tokens; expected at least 2" in complaint(model.score, "a")
    assert "the text has characters" in complaint(model.score, "xyz")
    assert "stride is 17" in complaint(model.score, "abc", stride=17)
