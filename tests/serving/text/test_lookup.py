"""Guessing ahead: the same text, in fewer steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import UsageError
from serving.text.lookup import NGrams
from serving.text.sampling import Sampler
from serving.text.sampling_config import SamplingConfig
from tests.serving.text.test_sampling import VOCABULARY, sampler, some_configs
from tests.serving.text.toy_language import language_model, only_characters

FEW = settings(max_examples=60, deadline=None)
repetitive = st.lists(st.sampled_from(["abcd", "ab", "efgh ", "."]), min_size=1, max_size=9)


@FEW
@given(
    repetitive.map("".join),
    st.integers(1, 60),
    st.integers(1, 12),
    st.sampled_from([0, 0.3, 1.0]),
    st.sampled_from([7, 16, 60]),
    st.integers(0, 99),
)
def test_guessing_changes_no_token(prompt, count, most, temperature, context, seed):
    plain, guessing = language_model(context), language_model(context)
    bias = only_characters(plain.tokenizer)
    options = {"temperature": temperature, "seed": seed, "stop": ["hh", "ee"], "logit_bias": bias}
    [expected] = plain.complete(prompt, count, **options)
    [found] = guessing.complete(prompt, count, prompt_lookup_num_tokens=most, **options)
    assert found._replace(log_probs=()) == expected._replace(log_probs=())
    np.testing.assert_allclose(found.log_probs, expected.log_probs, atol=1e-9)
    assert guessing.step.widest <= context
    said = guessing.last_lookup
    assert len(found.ids) == said.tokens <= said.steps + said.accepted
    assert said.accepted <= said.guessed <= most * said.steps
    # And what the memory holds is true: the next text goes on from it.
    longer = prompt + found.text + "a"
    again = {"seed": seed, "prompt_lookup_num_tokens": most}
    assert guessing.generate(longer, 9, **again) == language_model(context).generate(
        longer, 9, seed=seed
    )


def test_a_text_that_repeats_itself_takes_fewer_steps():
    model = language_model(context=60)
    model.step.embedding *= 3  # so sure of itself that it soon goes in circles
    bias = only_characters(model.tokenizer)
    options = {"temperature": 0, "logit_bias": bias}
    plain = model.generate("abc", 200, **options)
    assert model.last_lookup is None
    assert model.generate("abc", 200, prompt_lookup_num_tokens=8, **options) == plain
    said = model.last_lookup
    assert said.tokens == 200 and said.steps < 100 and said.accepted > said.guessed / 2
    assert str(said) == (
        f"{said.accepted} of {said.guessed} guesses accepted, {200 / said.steps:.2f} tokens a step"
    )


def test_a_stream_with_guesses_may_be_left():
    model = language_model(context=60)
    options = {"temperature": 0, "logit_bias": only_characters(model.tokenizer)}
    stream = model.stream("abababab", 40, prompt_lookup_num_tokens=5, **options)
    begun = next(stream) + next(stream)
    stream.close()
    whole = language_model(context=60).generate("abababab", 40, **options)
    assert whole.startswith(begun) and model.generate("abababab", 40, **options) == whole


def test_mistakes():
    model = language_model()
    for wrong in (-1, 1.5, True):
        with pytest.raises(UsageError, match="prompt_lookup_num_tokens is"):
            model.generate("abc", prompt_lookup_num_tokens=wrong)
    with pytest.raises(UsageError, match="guesses are for one prompt at a time, and there are 2"):
        model.generate(["abc", "ab"], prompt_lookup_num_tokens=3)


@FEW
@given(st.lists(st.integers(0, 3), max_size=30), st.integers(0, 5))
def test_a_guess_is_what_followed_the_last_time(text, most):
    grams = NGrams()
    for length in range(len(text) + 1):  # as a text that grows
        begun = text[:length]
        guess = grams.guess(begun, most)
        places = [
            place
            for size in (3, 2)
            for place in range(len(begun) - 1, size - 1, -1)
            if size <= len(begun) and begun[place - size : place] == begun[-size:]
        ]
        assert guess == (begun[places[0] :] * most)[:most] if places else not guess


# --- when a guess changes nothing ---


@FEW
@given(
    st.sampled_from([VOCABULARY, 300]),
    some_configs,
    st.sampled_from([1e-6, 1e-4, 1e-3]),
    st.integers(0, 2**32 - 1),
)
def test_who_is_sure_draws_the_same_from_logits_that_are_a_little_other(size, config, error, seed):
    random = np.random.RandomState(seed)
    logits = (4 * random.normal(size=size)).astype(np.float32)
    logits[random.randint(size)] = logits[random.randint(size)] + random.choice([0, 1e-5, 9])
    made = Sampler([config], [seed], [[0]], size)
    sure = made.sure(logits, error)
    assert sure == made.sure(logits, error)  # nothing was drawn
    drawn = made.draw(logits[None])
    assert drawn == Sampler([config], [seed], [[0]], size).draw(logits[None])
    for _ in range(20 * sure):
        off = error * np.abs(logits).max() * random.choice([-1, 1, 0.5], size)
        again = Sampler([config], [seed], [[0]], size).draw((logits + off)[None].astype(np.float32))
        assert again == drawn


def test_of_what_is_far_from_a_border_one_is_sure():
    logits = np.array([0.0, 9.0, 1.0, 0, 0, 0, 0, 0, 0], np.float32)
    for config in (SamplingConfig(temperature=0), SamplingConfig(top_k=3, top_p=0.9)):
        assert sampler(config).sure(logits, 1e-5)
    near = np.array([0.0, 9.0, 9.00001, 0, 0, 0, 0, 0, 0], np.float32)
    assert not sampler(SamplingConfig(temperature=0)).sure(near, 1e-5)
