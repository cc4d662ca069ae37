"""Styles: a token before a text that stays there, and that nothing else writes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import GenzooError
from serving.text.filters import log_softmax
from serving.text.tokenizer import Tokenizer
from tests.serving.text.complaint import complaint
from tests.serving.text.toy_language import CORPUS, STYLED, STYLES, language_model
from zoo.data.styles.codes import codes_of

FEW = settings(max_examples=30, deadline=None)
CODES = codes_of(STYLED)
texts = st.text(st.sampled_from(CORPUS), min_size=1, max_size=40)
styles = st.sampled_from([None, *STYLES])


def styled_model(context=16, seed=0):
    """A model with styles, whose end is no likelier than anything else."""
    return language_model(context, seed, of=STYLED)


def anew(model, prompt, style, count):
    """Greedy decoding by reading code and window anew for every token."""
    code = [] if style is None else [CODES[style]]
    window, ids = model.tokenizer.encode(prompt)[len(code) - model.context :], []
    for _ in range(count):
        read = np.array([[*code, *window]])
        logits, _ = model.step(read, np.ones_like(read), np.arange(read.size)[None], None)
        ids.append(int(logits[0, -1].argmax()))
        window.append(ids[-1])
        if len(code) + len(window) > model.context:
            window = window[len(code) - model.context // 2 :]
    return tuple(ids)


@FEW
@given(texts, styles)
def test_a_text_is_written_after_its_code_however_far_the_window_slides(prompt, style):
    model = styled_model()
    free = {"logit_bias": {model.tokenizer.eos: -1e4}}
    [written] = model.complete(prompt, 40, temperature=0, style=style, **free)
    expected = anew(without_end(model), prompt, style, 40)
    assert written.ids == expected and model.context < 40


def without_end(model):
    """Return the model after its end was made too unlikely to be drawn."""
    step, end = model.step, model.tokenizer.eos

    def endless(*inputs):
        logits, past = step(*inputs)
        logits = np.array(logits)
        logits[..., end] -= 1e4
        return logits, past

    model.step = endless
    return model


@FEW
@given(st.lists(st.tuples(texts, styles), min_size=1, max_size=4), st.integers(0, 1000))
def test_styles_of_a_batch_write_what_each_writes_alone_and_in_pieces(rows, seed):
    prompts, chosen = map(list, zip(*rows, strict=True))
    together = styled_model().generate(prompts, 30, style=chosen, seed=seed)
    model = styled_model()
    for prompt, style, text in zip(prompts, chosen, together, strict=True):
        assert text == model.generate(prompt, 30, style=style, seed=seed)
        assert text == "".join(model.stream(prompt, 30, style=style, seed=seed))
        guessed = {"prompt_lookup_num_tokens": 3}
        assert text == model.generate(prompt, 30, style=style, seed=seed, **guessed)


def test_a_style_makes_a_difference_and_is_never_drawn():
    model = styled_model()
    told = [model.complete("abc", 9, style=style, seed=7)[0].log_probs for style in (None, *STYLES)]
    assert len(set(told)) == 3
    hot = [model.complete("a", 15, style="loud", temperature=50.0, seed=seed) for seed in range(30)]
    drawn = {token for [text] in hot for token in text.ids}
    assert len(drawn) > 10 and not drawn & {*CODES.values()}


@FEW
@given(texts.filter(lambda text: len(text) > 1), styles, st.integers(1, 16))
def test_a_score_is_that_of_all_tokens_after_the_code(text, style, stride):
    model = styled_model()
    ids = model.tokenizer.encode(text)
    code = [] if style is None else [CODES[style]]
    found = model.score(text, stride=stride, style=style)
    assert found.tokens == len(ids) - 1 + len(code)
    if len(ids) + len(code) <= model.context:
        read = np.array([[*code, *ids]])
        logits, _ = model.step(read, np.ones_like(read), np.arange(read.size)[None], None)
        rows = log_softmax(np.asarray(logits)[0, :-1])
        expected = np.take_along_axis(rows, read[0, 1:, None], axis=1)[:, 0]
        np.testing.assert_allclose(found.log_probs, expected, atol=1e-6)


def test_a_long_score_keeps_the_code_before_every_window():
    model, text = styled_model(context=8), "abcdefgh. " * 4
    code, ids = CODES["loud"], model.tokenizer.encode(text)
    found = model.score(text, stride=1, style="loud")
    for at in (10, 25, len(ids) - 1):
        read = np.array([[code, *ids[at - 7 : at]]])
        logits, _ = model.step(read, np.ones_like(read), np.arange(read.size)[None], None)
        expected = log_softmax(np.asarray(logits)[0, -1])[ids[at]]
        assert found.log_probs[at] == pytest.approx(expected, abs=1e-6)


def test_the_likeliest_continuation_in_a_style():
    model = styled_model()
    for style in STYLES:
        [found] = model.search("ab", 1, 6, style=style)
        [greedy] = model.complete("ab", 6, style=style, temperature=0)
        assert found.ids == greedy.ids
        np.testing.assert_allclose(found.log_probs, greedy.log_probs, atol=1e-6)


def test_what_is_wrong_with_a_style():
    model = styled_model()
    known = "expected one of loud, soft tone"
    assert complaint(model.generate, "a", style="LOUD") == f"style is 'LOUD'; {known}"
    assert complaint(model.score, "ab", style="shrill") == f"style is 'shrill'; {known}"
    several = complaint(model.generate, ["a", "b"], style=["loud"])
    assert several == "style has 1 values for 2 prompts; expected as many"
    none = "this model has no styles; leave style out"
    assert complaint(language_model().generate, "a", style="loud") == none


def test_a_code_must_be_a_special_token():
    data = STYLED.to_str().encode()
    for number in (STYLED.token_to_id("a"), STYLED.get_vocab_size()):
        with pytest.raises(GenzooError, match=f"no special token {number}, for style 'x'"):
            Tokenizer(data, styles={"x": number})
