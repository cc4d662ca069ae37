"""Decoding with a toy network: batches, windows, caches, streams and beams."""

import itertools
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.text.beams import beam_search
from serving.text.decoding import Decoding
from serving.text.filters import log_softmax
from serving.text.growing import GrowingMemory
from serving.text.sampling import Sampler
from serving.text.sampling_config import SamplingConfig
from serving.text.scoring import score
from tests.serving.text.complaint import complaint
from tests.serving.text.toy_language import (
    CORPUS,
    ToyStep,
    language_model,
    only_characters,
)

FEW = settings(max_examples=40, deadline=None)
prompts = st.lists(
    st.text(st.sampled_from(CORPUS), min_size=1, max_size=20), min_size=1, max_size=4
)


def recomputed(model, prompt, count):
    """Greedy decoding by reading the whole window anew for every token."""
    window = model.tokenizer.encode(prompt)[-model.context :]
    ids = []
    for _ in range(count):
        text = np.array([window])
        logits, _ = model.step(text, np.ones_like(text), np.arange(len(window))[None], None)
        ids.append(int(np.argmax(logits[0, -1])))
        window.append(ids[-1])
        if len(window) > model.context:
            window = window[-(model.context // 2) :]
    return tuple(ids)


# --- generation ---


@pytest.mark.parametrize("prompt", ["a", "abc é", "abcdefgh" * 3])
def test_greedy_decoding_equals_reading_everything_anew(prompt):
    model = language_model()
    model.step.head[model.tokenizer.eos] = 0
    drawn = model.complete(prompt, 50, temperature=0)[0]
    assert drawn.ids == recomputed(model, prompt, 50) and drawn.reason == "length"


@FEW
@given(prompts, st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_a_prompt_writes_the_same_alone_and_in_a_batch(prompts, count, seed):
    model = language_model()
    seeds = [seed + row if seed < 2**31 else seed for row in range(len(prompts))]
    temperatures = [0.5 + row for row in range(len(prompts))]
    options = {"stop": ["gh", "é"], "top_k": 6}
    together = model.complete(prompts, count, seed=seeds, temperature=temperatures, **options)
    assert model.step.widest <= model.context
    for row, prompt in enumerate(prompts):
        [alone] = language_model().complete(
            prompt, count, seed=seeds[row], temperature=temperatures[row], **options
        )
        assert alone._replace(log_probs=()) == together[row]._replace(log_probs=())
        np.testing.assert_allclose(alone.log_probs, together[row].log_probs, atol=1e-9)


@FEW
@given(st.text(st.sampled_from(CORPUS), min_size=1, max_size=20), st.integers(0, 1000))
def test_a_stream_is_the_text_in_pieces(prompt, seed):
    model = language_model()
    options = {"seed": seed, "stop": ["ab", "cab", "中"]}
    pieces = list(model.stream(prompt, 40, **options))
    assert "".join(pieces) == model.generate(prompt, 40, **options) and all(pieces)


def test_a_stream_may_be_left_and_its_arguments_are_checked_at_once():
    model = language_model()
    assert "prompt is empty" in complaint(model.stream, "")
    stream = model.stream("abc", 40, seed=1)
    next(stream)
    stream.close()
    assert model.generate("abc", 10, seed=1) == language_model().generate("abc", 10, seed=1)


def test_a_stop_string_ends_a_text_and_is_left_out():
    model = language_model()
    options = {"seed": 3, "logit_bias": only_characters(model.tokenizer)}
    whole = model.generate("ab", 60, **options)
    stop = whole[10:13]
    [stopped] = model.complete("ab", 60, stop=stop, **options)
    assert stopped.text == whole[: whole.index(stop)] and stopped.reason == "stop"
    [never] = model.complete("ab", 60, stop="not in there", **options)
    assert never.text == whole and never.reason == "length"
    assert "a stop string is ''" in complaint(model.generate, "ab", stop=["a", ""])
    assert "a stop string is 5" in complaint(model.generate, "ab", stop=5)


def test_the_end_mark_ends_a_text():
    model = language_model()
    bias = {model.tokenizer.eos: 1e4}
    [completion] = model.complete("ab", 60, logit_bias=bias)
    assert completion.text == "" and completion.reason == "end" and len(completion.ids) == 1


@pytest.mark.parametrize("options", [{}, {"temperature": 0}, {"top_k": 3, "top_p": 0.5}])
def test_a_network_that_returns_no_numbers_is_told(options):
    model = language_model()
    model.step.head[3] = np.nan
    for prompt in ("ab", ["ab", "abcd"]):
        assert "NaN or infinite" in complaint(model.generate, prompt, **options)


def test_finished_texts_leave_the_batch():
    model = language_model()
    bias = [{model.tokenizer.eos: 1e4}, {model.tokenizer.eos: -1e4}]
    model.complete(["abc", "abc"], 10, logit_bias=bias)
    assert model.step.read == 2 * 3 + 9


def test_what_a_prompt_has_in_common_with_the_last_is_not_read_again():
    model, fresh = language_model(context=60), language_model(context=60)
    text = model.generate("abcd", 10, seed=1, logit_bias=only_characters(model.tokenizer))
    model.step.read = 0
    more = model.generate("abcd" + text + "ef", 1, seed=2)
    assert model.step.read == 10 + 2  # what was drawn was read in another way
    assert more == fresh.generate("abcd" + text + "ef", 1, seed=2)
    model.step.read = 0
    model.generate("abcd" + text + "ef", 1)
    model.generate("abc", 1)  # two tokens are read together in any case
    assert model.step.read == 2 + 2
    assert model.generate("ab", 5, seed=3) == fresh.generate("ab", 5, seed=3)


class Stop(BaseException):
    """As Ctrl-C, or a client that left."""


@FEW
@given(
    st.text(st.sampled_from(CORPUS), min_size=1, max_size=20),
    st.text(st.sampled_from(CORPUS), min_size=1, max_size=20),
    st.integers(0, 12),
    st.sampled_from([None, 3]),
)
def test_an_interruption_at_any_call_leaves_nothing_behind(first, then, calls, most):
    model, left = language_model(), [calls]
    step = model.step

    def interrupted(*inputs):
        left[0] -= 1
        if left[0] == -1:
            raise Stop
        return step(*inputs)

    model.step = interrupted
    with suppress(Stop):
        model.generate(first, 20, seed=1, prompt_lookup_num_tokens=most)
    left[0] = -1  # from now on never
    for prompt in (first + then, then):
        expected = language_model().generate(prompt, 20, seed=2)
        assert model.generate(prompt, 20, seed=2) == expected


def test_texts_that_are_written_at_the_same_time_do_not_meet():
    model, fresh = language_model(context=60), language_model(context=60)
    model.generate("abcd", 10, seed=1)  # leaves a memory behind, which only one of two may take
    streams = [model.stream(prompt, 12, seed=seed) for seed, prompt in enumerate(["abcde", "abch"])]
    pieces = list(itertools.zip_longest(*streams, fillvalue=""))
    for seed, prompt in enumerate(["abcde", "abch"]):
        assert "".join(piece[seed] for piece in pieces) == fresh.generate(prompt, 12, seed=seed)


def test_log_probs_are_the_models_own():
    model = language_model(context=40)
    [drawn] = model.complete("abc", 12, seed=5, temperature=2.0, top_k=5)
    ids = [*model.tokenizer.encode("abc"), *drawn.ids]
    scored = score(model.step, ids, context=40)
    np.testing.assert_allclose(scored.log_probs[2:], drawn.log_probs, atol=1e-9)


def test_a_fresh_seed_is_told():
    model = language_model()
    options = {"temperature": 9.0, "logit_bias": only_characters(model.tokenizer)}
    text = model.generate("a", 30, **options)
    assert model.generate("a", 30, seed=model.last_seed, **options) == text
    texts = model.generate(["a"] * 3, 30, **options)
    assert len(set(texts)) == 3
    assert model.generate(["a"] * 3, 30, seed=model.last_seed, **options) == texts


def test_what_is_asked_wrongly():
    model = language_model()
    assert "the prompt is empty" in complaint(model.generate, "")
    assert "does not know: 'x', 'ß'; leave" in complaint(model.generate, "axbß")
    assert "number of prompts" in complaint(model.generate, [])
    assert "the prompt is int" in complaint(model.generate, 5)
    assert "surrogate" in complaint(model.generate, "\ud800")
    assert "max_new_tokens is 0" in complaint(model.generate, "a", 0)
    assert "did you mean 'top_k'" in complaint(model.generate, "a", topk=3)
    assert "seed has 2 values for 1" in complaint(model.generate, "a", seed=[1, 2])
    assert "overflow is 'crop'; expected 'slide' or 'refuse'" in complaint(
        model.generate, "a", overflow="crop"
    )
    refused = complaint(model.generate, "abcdefgh", 10, overflow="refuse")
    assert "8 tokens of prompt and 10 new ones do not fit a window of 16" in refused
    assert len(model.generate("abcdefgh", 9, overflow="refuse", seed=0))
    assert "top_k is 99" in complaint(model.generate, "a", top_k=99)
    assert "temperature is -1" in complaint(model.generate, ["a", "b"], temperature=[1, -1])


def test_arguments_come_as_json_and_numpy_have_them():
    model = language_model(context=40)
    options = {"seed": 7, "stop": ["gh"], "prompt_lookup_num_tokens": 4, "max_new_tokens": 9}
    dressed = {
        "seed": np.array(7),
        "stop": np.array(["gh"]),
        "prompt_lookup_num_tokens": 4.0,
        "max_new_tokens": np.float64(9),
    }
    assert model.generate("abc", **dressed) == model.generate("abc", **options)
    prompts, seeds = ["abc", "ab"], [1, 2]
    column = {"seed": np.array(seeds), "temperature": np.array([0, 1]), "top_k": np.array([5.0, 6])}
    expected = model.generate(prompts, 9, seed=seeds, temperature=[0, 1], top_k=[5, 6])
    assert model.generate(np.array(prompts), 9, stop=None, **column) == expected
    assert model.search("abc", beams=2.0, max_new_tokens=3, length_penalty=np.int64(1)) == (
        model.search("abc", beams=2, max_new_tokens=3)
    )
    text = "abc abc"
    np.testing.assert_array_equal(
        model.score(text, stride=5.0).log_probs, model.score(text, stride=5).log_probs
    )


@pytest.mark.parametrize(
    ("call", "options", "said"),
    [
        ("generate", {"seed": [1.5]}, "seed is 1.5; expected a whole number from 0 to"),
        ("generate", {"seed": np.array([1, 2])}, "seed has 2 values for 1 prompts"),
        ("generate", {"seed": np.zeros((1, 1))}, "seed is array"),
        ("generate", {"max_new_tokens": "9"}, "max_new_tokens is '9'"),
        ("generate", {"max_new_tokens": None}, "max_new_tokens is None"),
        ("generate", {"prompt_lookup_num_tokens": "9"}, "prompt_lookup_num_tokens is '9'"),
        ("generate", {"overflow": None}, "overflow is None"),
        ("generate", {"stop": [None]}, "a stop string is None"),
        ("search", {"length_penalty": None}, "length_penalty is None; expected 0 to 10"),
        ("search", {"length_penalty": 11}, "length_penalty is 11"),
        ("search", {"beams": 2.5}, "beams is 2.5; expected a whole number from 1"),
        ("score", {"stride": "3"}, "stride is '3'; expected a whole number from 1 to 16"),
    ],
)
def test_wrong_arguments_are_one_line(call, options, said):
    assert said in complaint(getattr(language_model(), call), "abc", **options)


def test_a_window_of_one_token_still_slides():
    step = ToyStep(5)
    sampler = Sampler([SamplingConfig()], [0], [[1]], 5)
    memory = GrowingMemory(step, 1, context=1)
    decoding = Decoding(memory, [[1]], sampler, max_new_tokens=4)
    assert len(list(decoding)) == 4 and step.widest == 1


# --- beams ---


def test_wide_beams_find_the_likeliest_continuation():
    step, prompt = ToyStep(4), [1, 2]
    found = beam_search(step, prompt, beams=64, max_new_tokens=3, context=8)

    def log_prob(ids):
        text = np.array([[*prompt, *ids]])
        logits, _ = step(text, np.ones_like(text), np.arange(5)[None], None)
        return log_softmax(logits[0])[[1, 2, 3], list(ids)].sum()

    best = max(itertools.product(range(4), repeat=3), key=log_prob)
    assert found[0].ids == best and len(found) == 64
    np.testing.assert_allclose(sum(found[0].log_probs), log_prob(best))
    totals = [sum(hypothesis.log_probs) for hypothesis in found]
    assert totals == sorted(totals, reverse=True) and len({each.ids for each in found}) == 64


def test_one_beam_is_greedy_and_ends_at_the_end_mark():
    model = language_model(context=40)
    [drawn] = model.complete("abc", 12, temperature=0)
    [found] = model.search("abc", beams=1, max_new_tokens=12)
    assert found.text == drawn.text and found.ids == drawn.ids and found.reason == drawn.reason
    step = ToyStep(4)
    step.head[3] *= 5
    for hypothesis in beam_search(
        step, [1], beams=3, max_new_tokens=6, context=8, stop_ids=[3], length_penalty=0
    ):
        assert 3 not in hypothesis.ids[:-1]
    assert "do not fit" in complaint(model.search, "abc", max_new_tokens=50)
    assert "beams is 0" in complaint(model.search, "abc", beams=0)
