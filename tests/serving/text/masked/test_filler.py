"""Filling, scoring and embedding with a toy network whose probabilities are known."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.content.fillings import FillingsContent
from serving.errors import UsageError
from serving.text.filters import log_softmax
from serving.text.masked import filler
from serving.text.masked.filler import MASK, Filling, TextFiller
from serving.text.tokenizer import Tokenizer
from zoo.data.tokenizers import BOS, EOS
from zoo.masked.data import MASK_ID, MaskedTextConfig

WORDS = "a dog runs and two men sit on the bench"
CONFIG = MaskedTextConfig(name="toy", vocabulary_size=300)
TOKENIZER = Tokenizer(CONFIG.byte_pairs([WORDS] * 3).to_str().encode())
SIZE, CONTEXT = TOKENIZER.size, 16
TEXTS = st.lists(
    st.text("adogruns ntwme", min_size=1, max_size=13).filter(str.strip), min_size=1, max_size=5
)


class Toy:
    """Says what stands at a place by its neighbours alone; padding is no neighbour.

    Attributes:
        batches: rows of each call.
    """

    def __init__(self):
        self.batches: list[int] = []
        random = np.random.RandomState(0)
        self.before, self.behind = random.normal(0, 2, (2, SIZE, SIZE)).astype(np.float32)
        self.vectors = random.normal(size=(SIZE, 6)).astype(np.float32)

    def predict(self, input_ids, attention_mask):
        self.batches.append(len(input_ids))
        real = attention_mask[..., None].astype(np.float32)
        padded = np.pad(real, ((0, 0), (0, 1), (0, 0)))[:, 1:]
        before = np.pad(self.before[input_ids], ((0, 0), (1, 0), (0, 0)))[:, :-1]
        behind = np.pad(self.behind[input_ids], ((0, 0), (0, 1), (0, 0)))[:, 1:]
        return before + behind * padded

    def states(self, input_ids, attention_mask):
        self.batches.append(len(input_ids))
        return self.vectors[input_ids] + self.predict(input_ids, attention_mask)[..., :6]


TOY = Toy()


def model(network=TOY, context=CONTEXT):
    return TextFiller(network, TOKENIZER, context, MASK_ID)


def ids_of(text):
    return [BOS, *TOKENIZER.encode(text), EOS]


def log_probs_at(ids, at):
    """Return what the toy says of one place of a text, alone."""
    ids = np.array([ids])
    return log_softmax(TOY.predict(ids, np.ones_like(ids))[0, at])


# --- filling ---


def test_a_gap_takes_the_space_before_it_as_a_word_does():
    (best, *others) = model().fill(f"a {MASK} runs", top_k=4)
    ids = [BOS, *TOKENIZER.encode("a"), MASK_ID, *TOKENIZER.encode(" runs"), EOS]
    expected = log_probs_at(ids, 2)
    expected[[0, 1, 2, 3]] = -np.inf  # special tokens
    order = np.argsort(-expected)[:4]
    assert [each.log_prob for each in (best, *others)] == pytest.approx(expected[order].tolist())
    assert best.text == TOKENIZER.decode([ids[1], order[0], *ids[3:-1]])
    assert best.probability == pytest.approx(np.exp(expected.max()))


def test_several_gaps_are_filled_by_the_likeliest_of_all_ways():
    found = model().fill(f"{MASK} dog {MASK}", top_k=SIZE)
    ids = [BOS, MASK_ID, *TOKENIZER.encode(" dog"), MASK_ID, EOS]
    first = log_probs_at(ids, 1)
    first[:4] = -np.inf
    sums = []
    for token in np.argsort(-first)[:40]:
        second = log_probs_at([BOS, token, *ids[2:]], len(ids) - 2)
        second[:4] = -np.inf
        sums.append(first[token] + second.max())
    assert found[0].log_prob == pytest.approx(max(sums))
    assert len(found[0].words) == 2
    values = [each.log_prob for each in found]
    assert values == sorted(values, reverse=True) and len(found) == SIZE


def test_no_more_fillings_are_given_than_there_are():
    assert len(model().fill(MASK, top_k=SIZE)) == SIZE - 4


def test_at_the_beginning_there_is_no_space():
    for each in model().fill(f"{MASK} dog", top_k=SIZE):
        assert each.text[:1] != " "


@pytest.mark.parametrize("most", [1, 2000, 2**23])
def test_how_many_rows_are_read_at_once_changes_nothing(monkeypatch, most):
    text = f"two {MASK} sit on {MASK}"
    expected = model().fill(text, 7), model().log_probs(["a dog", "two men sit"])
    monkeypatch.setattr(filler, "LOGITS", most)
    network = Toy()
    found = model(network).fill(text, 7), model(network).log_probs(["a dog", "two men sit"])
    assert [each.words for each in found[0]] == [each.words for each in expected[0]]
    for one, other in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(one, other)
    assert most > 2000 or max(network.batches) == 1


# --- scoring and embedding ---


@settings(max_examples=25, deadline=None)
@given(TEXTS)
def test_a_text_is_worth_the_same_alone_and_among_others(texts):
    together = model().log_probs(texts)
    for text, found in zip(texts, together, strict=True):
        ids = ids_of(text)
        hidden = [[*ids[:at], MASK_ID, *ids[at + 1 :]] for at in range(len(ids))]
        inside = range(1, len(ids) - 1)
        expected = [log_probs_at(hidden[at], at)[ids[at]] for at in inside]
        np.testing.assert_allclose(found, expected, rtol=1e-6)
        score = model().score(text)
        assert score.nats == pytest.approx(-sum(expected)) and score.characters == len(text)


@settings(max_examples=25, deadline=None)
@given(TEXTS, st.booleans())
def test_vectors_are_means_over_the_tokens(texts, normalised):
    found = model().embed(texts, normalised)
    for text, vector in zip(texts, found, strict=True):
        ids = np.array([ids_of(text)])
        mean = TOY.states(ids, np.ones_like(ids))[0].mean(axis=0)
        expected = mean / np.linalg.norm(mean) if normalised else mean
        np.testing.assert_allclose(vector, expected, atol=1e-5)
    assert found.dtype == np.float32
    assert model().embed(texts[0]).shape == (1, 6)


def test_many_texts_come_in_parts_and_in_their_order():
    texts = [" ".join(each) for each in itertools.permutations(("a", "dog", "runs", "two"))] * 2
    network = Toy()
    found = model(network).embed(texts)
    assert len(network.batches) > 2
    np.testing.assert_allclose(found, [model().embed(text)[0] for text in texts], atol=1e-5)


# --- what cannot be read ---


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the text is empty; give it at least one word"),
        (" \n", "the text is empty"),
        ("a dog", r"the text has no \[MASK\]; put one where a word is missing"),
        (f"{MASK} " + "dog " * 10_000, r"the text has \d+ tokens, and this model takes 14; give"),
        (7, "the text is int; expected a string"),
        (f"half \ud800 {MASK}", "half of a surrogate pair"),
    ],
)
def test_what_has_no_gap_to_fill_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        model().fill(text)


@pytest.mark.parametrize("top_k", [0, SIZE + 1, "two"])
def test_a_number_of_fillings_out_of_range_is_refused(top_k):
    with pytest.raises(UsageError, match="top_k is"):
        model().fill(MASK, top_k)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ([], "the number of texts is 0"),
        (["a", ""], "text 2 is empty"),
        (["a", "dog " * 10_000], "text 2 has .* sentence by sentence"),
    ],
)
def test_texts_that_cannot_be_read_are_refused(texts, said):
    with pytest.raises(UsageError, match=said):
        model().embed(texts)


def test_a_text_with_no_known_word_is_read_all_the_same():
    assert model(context=64).fill(f"☃ ქ {MASK}")[0].text.startswith("☃ ქ")
    assert np.isfinite(model(context=64).score("☃ ქ").nats)


# --- shown ---


def test_fillings_are_shown_and_kept(tmp_path):
    content = FillingsContent()
    found = [Filling("a\nb", ("\n", "b"), np.log(0.25)), Filling("c", ("c", "b"), np.log(0.125))]
    assert content.words(found, {}) == "0.2500  '\\n' ... b\n0.1250  c ... b"
    assert content.looked_at(found, {}) == ["a\nb", "c"]
    content.writer(str(tmp_path / "found.json"), 2, {})(found)
    assert '"probability": 0.25' in (tmp_path / "found.json").read_text()
    assert content.compare(found, found).is_rounding
    assert not content.compare(found, found[::-1]).is_rounding
    with pytest.raises(UsageError, match="no model takes fillings"):
        content.read([], {})
