"""Texts as rows of tokens: nothing is lost, nothing is added."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.data.tokenizers import bpe_tokenizer
from zoo.translation.rows.packing import packed
from zoo.translation.rows.ragged import Ragged
from zoo.translation.rows.spans import corrupted
from zoo.translation.rows.subwords import Subwords

ROWS = st.lists(st.lists(st.integers(1, 50), max_size=6), max_size=8)
TEXT = st.lists(st.integers(20, 50), min_size=1, max_size=8)
GAPS = list(range(4))


@given(rows=ROWS, data=st.data())
@settings(max_examples=30, deadline=None)
def test_ragged_rows_are_lists_of_lists(rows, data):
    ragged = Ragged.of(rows)
    assert ragged.rows() == rows and len(ragged) == len(rows)
    assert ragged.lengths.tolist() == [*map(len, rows)]
    at = data.draw(st.lists(st.integers(0, max(0, len(rows) - 1)), max_size=5)) if rows else []
    assert ragged.taken(np.array(at, int)).rows() == [rows[index] for index in at]
    assert ragged.framed([7], [8, 9]).rows() == [[7, *row, 8, 9] for row in rows]
    assert Ragged.joined([ragged, ragged]).rows() == rows * 2


@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=20), length=st.integers(8, 20))
@settings(max_examples=30, deadline=None)
def test_every_pair_is_in_a_row_whole_and_once(pairs, length):
    sources, targets = (Ragged.of(side) for side in zip(*pairs, strict=True))
    rows = packed(sources, targets, length, begin=1)
    found = []
    for row in range(len(rows["targets"])):
        for number in range(1, rows["attention_mask"][row].max() + 1):
            read, written = (
                rows[name][row] == number for name in ("attention_mask", "decoder_attention_mask")
            )
            source, target = rows["input_ids"][row][read], rows["targets"][row][written]
            before = rows["decoder_input_ids"][row][written]
            assert before.tolist() == [1, *target[:-1]]
            assert rows["position_ids"][row][read].tolist() == list(range(len(source)))
            assert rows["decoder_position_ids"][row][written].tolist() == list(range(len(target)))
            found.append((source.tolist(), target.tolist()))
    assert sorted(found) == sorted((list(a), list(b)) for a, b in pairs)


def test_rows_are_cut_or_filled_to_the_number_that_is_asked_for():
    sources = targets = Ragged.of([[5, 6, 7]] * 5)
    whole = packed(sources, targets, 8, begin=1)
    assert len(whole["targets"]) == 3
    few, many = (packed(sources, targets, 8, begin=1, rows=rows) for rows in (2, 5))
    for name, values in whole.items():
        np.testing.assert_array_equal(few[name], values[:2])
        np.testing.assert_array_equal(many[name][:3], values)
        assert not many[name][3:].any()


# --- subwords ---

WORDS = "the cats sat on the mats, and the rats ran: Füße, 12 cafés!"


@pytest.fixture(scope="module")
def tokenizer():
    return bpe_tokenizer([WORDS] * 3, 300, prefix_space=True)


@given(text=st.text(max_size=20))
@settings(max_examples=40, deadline=None)
def test_subwords_without_dropout_are_those_of_the_tokenizer(tokenizer, text):
    subwords = Subwords(tokenizer, dropout=0.5)
    assert subwords.tokens(subwords.read([text])).rows() == [tokenizer.encode(text).ids]


def test_words_are_written_in_several_ways_that_all_say_the_same(tokenizer):
    subwords = Subwords(tokenizer, dropout=0.3, seed=1)
    texts = subwords.read([WORDS])
    ways = [subwords.tokens(texts, seed=seed).rows()[0] for seed in range(8)]
    assert len({*map(tuple, ways)}) > 4
    assert {tokenizer.decode(way) for way in ways} == {WORDS}
    assert subwords.tokens(texts, seed=3).rows()[0] == ways[3]
    other = Subwords(tokenizer, dropout=0.3, seed=1)  # that has read something else before
    other.read(["rats and cats"])
    assert other.tokens(other.read([WORDS]), way=5).rows() == subwords.tokens(texts, way=5).rows()


# --- gaps ---


@given(texts=st.lists(TEXT, min_size=1, max_size=5), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_what_filled_the_gaps_gives_the_text_back(texts, seed):
    sources, targets = corrupted(Ragged.of(texts), GAPS, seed)
    for text, source, target in zip(texts, sources.rows(), targets.rows(), strict=True):
        starts = [at for at, token in enumerate(target) if token in GAPS]
        ends = [*starts[1:], len(target)]
        parts = {target[at]: target[at + 1 : end] for at, end in zip(starts, ends, strict=True)}
        whole = [each for token in source for each in parts.get(token, [token])]
        assert whole == list(text)
        assert [token for token in source if token in GAPS] == list(parts)
        assert all(parts.values())


def test_a_share_of_long_texts_is_left_out():
    texts = Ragged.of([list(range(100, 200))] * 50)
    _, targets = corrupted(texts, list(range(16)), seed=0)
    hidden = sum(token >= 100 for target in targets.rows() for token in target)
    assert hidden == 50 * 15
