"""Translating with a toy network whose translations are known."""

import itertools

import numpy as np
import pytest

from serving.errors import UsageError
from serving.text.filters import log_softmax
from serving.text.tokenizer import Tokenizer
from serving.text.translation.translator import TextTranslator
from zoo.data.tokenizers import BOS, EOS, bpe_tokenizer, end_texts

WORDS = "a dog runs . two men sit on the bench"
MADE = end_texts(bpe_tokenizer([WORDS] * 3, 300, [">>de<<", ">>en<<"], prefix_space=True))
TOKENIZER = Tokenizer(MADE.to_str().encode())
TO = {each: MADE.token_to_id(f">>{each}<<") for each in ("de", "en")}


class Echo:
    """Writes the source again, or for English backwards, and then the end.

    Attributes:
        batches: rows of each call.
    """

    def __init__(self, blur: float = 0.0):
        self.batches: list[int] = []
        self._blur = blur

    def encode(self, input_ids, attention_mask):
        return np.where(attention_mask > 0, input_ids, -1).astype(np.float32)[..., None]

    def decode(self, input_ids, states, attention_mask, written, source):
        self.batches.append(len(input_ids))
        if written is None:
            written = [(np.zeros((len(input_ids), 1, 0, 1)),) * 2]
            source = [(np.zeros((len(input_ids), 1, 1, 1)),) * 2]
        length, size = written[0][0].shape[2], TOKENIZER.size
        logits = np.full((*input_ids.shape, size), -9.0, np.float32)
        for row, ids in enumerate(states[..., 0].astype(int)):
            text = [each for each in ids.tolist() if each > 4]
            text = text[::-1] if TO["en"] in ids else text
            for step in range(input_ids.shape[1]):
                at = length + step
                token = text[at] if at < len(text) else EOS
                logits[row, step, token] = 9
                logits[row, step, 10 + (at + len(text)) % 40] += self._blur
        held = np.concatenate([written[0][0], input_ids[:, None, :, None]], axis=2)
        return logits, [(held, held)], source


def translator(network=None, context=32):
    return TextTranslator(network or Echo(), TOKENIZER, context, BOS, TO)


@pytest.mark.parametrize("beams", [1, 4])
def test_texts_come_back_in_their_order_whatever_their_lengths(beams):
    texts = ["two men sit on the bench .", "a dog", "runs", "a dog runs ."] * 9
    assert translator().translate(texts, beams=beams) == texts
    assert translator().translate(texts[0], beams=beams) == texts[0]


def test_the_language_is_that_which_is_asked_for():
    assert translator().translate("a dog runs", "en") == "runs dog a"
    assert translator().translate("a dog runs", "de") == "a dog runs"


def test_a_text_that_has_ended_leaves_the_batch():
    network = Echo()
    translator(network).translate(["a", "a dog runs"], beams=1)
    assert network.batches == [2, 2, 1, 1]


@pytest.mark.parametrize("beams", [1, 3])
def test_completions_have_the_log_probability_of_each_token(beams):
    network = Echo(blur=16.0)
    own = translator(network)
    (found,) = own.complete(["two men sit"], beams=beams)
    assert found.reason == "end" and found.ids[-1] == EOS
    assert own.score("two men sit", found.text).nats == pytest.approx(-sum(found.log_probs), 1e-5)
    (cut,) = own.complete(["two men sit"], beams=beams, max_new_tokens=2)
    assert cut.reason == "length" and len(cut.ids) == 2


def test_the_search_finds_what_no_greedy_step_would():
    logits = {(): [0, 5, 4.8, -9], (1,): [0, 0.5, 0.4, 0.6], (2,): [-9, -9, -9, 9]}

    class Garden:
        """Its first step leads into a thicket, unless the second best is taken."""

        def encode(self, input_ids, attention_mask):
            return np.zeros((*input_ids.shape, 1), np.float32)

        def decode(self, input_ids, states, attention_mask, written, source):
            rows = len(input_ids)
            if written is None:
                written, source = [(np.zeros((rows, 1, 0, 1)),) * 2], [(states[:, None],) * 2]
            held = np.concatenate([written[0][0], input_ids[:, None, :, None]], axis=2)
            found = np.full((rows, 1, TOKENIZER.size), -30, np.float32)
            for row in range(rows):
                path = tuple(int(each) - 20 for each in held[row, 0, 1:, 0])
                found[row, 0, [20, 21, 22, EOS]] = logits.get(path, [0, 0, 0, 3])
            return found, [(held, held)], source

    def nats(path):
        steps = [log_softmax(np.array(logits.get(path[:at], [0, 0, 0, 3]))) for at in range(3)]
        return sum(steps[at][token] for at, token in enumerate((*path, 3)))

    own = TextTranslator(Garden(), TOKENIZER, 8, BOS, {"de": None})
    best = max(itertools.product(range(3), repeat=1), key=nats)
    (found,) = own.complete(["a"], beams=3, length_penalty=0.0)
    assert [each - 20 for each in found.ids[:-1]] == list(best) == [2]
    (greedy,) = own.complete(["a"], beams=1)
    assert greedy.ids[0] == 21 and sum(greedy.log_probs) < sum(found.log_probs)


# --- what cannot be translated ---


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the text is empty; give it at least one word"),
        (" \n", "the text is empty"),
        ("dog " * 10_000, r"the text has \d+ tokens, and this model takes 32; .*by sentence"),
        (["a", ""], "text 2 is empty"),
        ([], "the number of texts is 0"),
        (7, "the text is int; expected a string"),
        ("half \ud800", "half of a surrogate pair"),
    ],
)
def test_what_is_no_text_to_translate_is_refused(text, said):
    with pytest.raises(UsageError, match=said):
        translator().complete([text] if not isinstance(text, list) else text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"to": "fr"}, "to is 'fr'.*translates into de, en"),
        ({"beams": 0}, "beams is 0"),
        ({"beams": 2, "length_penalty": -1}, "length_penalty is -1"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0"),
    ],
)
def test_options_out_of_range_are_refused(options, said):
    with pytest.raises(UsageError, match=said):
        translator().translate("a dog", **options)


def test_text_with_no_known_word_is_translated_all_the_same():
    assert translator().translate("☃ ქართული") == "☃ ქართული"


def test_a_reference_that_is_empty_or_too_long_is_refused():
    with pytest.raises(UsageError, match="the translation is empty"):
        translator().score("a dog", " ")
    with pytest.raises(UsageError, match=r"the translation has \d+ tokens"):
        translator().score("a dog", "dog " * 40)
