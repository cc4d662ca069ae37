"""Beam searches of several prompts at once, and where the likeliest tokens are found."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from serving.text.beams import beam_search, beam_searches, likeliest
from serving.text.filters import log_softmax
from tests.serving.text.toy_language import language_model


@given(
    logits=arrays(
        np.float32, st.tuples(st.integers(1, 4), st.integers(1, 400)), elements=st.integers(-6, 6)
    ),
    count=st.integers(1, 12),
)
@settings(max_examples=50, deadline=None)
def test_the_likeliest_tokens_are_those_of_a_whole_sort(logits, count):
    found = likeliest(logits, count)
    order = np.argsort(-logits, axis=-1, kind="stable")[:, :count]
    np.testing.assert_array_equal(found.tokens, order)
    expected = np.take_along_axis(log_softmax(logits), order, -1)
    np.testing.assert_allclose(found.nats, expected, atol=1e-5)


def test_searches_together_find_what_each_finds_alone():
    model = language_model()
    prompts = [[3, 4], [5, 3], [4, 4]]
    options = {"beams": 3, "max_new_tokens": 5, "context": 16, "stop_ids": model.tokenizer.ends}
    together = beam_searches(model.step, prompts, **options)
    for prompt, found in zip(prompts, together, strict=True):
        alone = beam_search(model.step, prompt, **options)
        assert [each.ids for each in found] == [each.ids for each in alone]
        scores = [[each.score(1.0) for each in some] for some in (found, alone)]
        np.testing.assert_allclose(*scores, atol=1e-6)


def test_an_early_search_ends_with_as_many_continuations_as_are_followed():
    model = language_model()
    end = int(np.argmax(model.step.head.sum(0)))
    options = {"beams": 2, "max_new_tokens": 8, "context": 16, "stop_ids": {end, 4, 5, 6}}
    (late,) = beam_searches(model.step, [[3]], **options)
    read = model.step.read
    (soon,) = beam_searches(model.step, [[3]], early=True, **options)
    assert model.step.read - read <= read and len(soon) == len(late) == 2
    assert soon[0].score(1.0) <= late[0].score(1.0) + 1e-9
