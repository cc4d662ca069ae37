"""Agreement of a classifier with the style that was asked for: who copies it has it."""

from types import SimpleNamespace

import pytest

from tests.zoo.transformer import tiny_play
from zoo.data.text import Text, TextConfig
from zoo.judge.styles import agreement, pieces
from zoo.judge.writing import WritingJudge

SETTINGS = SimpleNamespace(style_samples=20, style_characters=50, style_seed=3)


class Copyist:
    """Writes a style's own words, or those of one and the same."""

    tokenizer = SimpleNamespace(beginning="\n", ends={2})

    def __init__(self, only=None):
        self.only, self.asked = only, []

    def generate(self, prompts, max_new_tokens, style, seed, **options):
        self.asked += zip(style, seed, strict=True)
        assert len(prompts) == len(style) and options == {"logit_bias": {2: -1e4}}
        return [(tiny_play.SAID[self.only or each] * 9)[: max_new_tokens + 1] for each in style]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    file = tmp_path_factory.mktemp("play") / "play.txt"
    file.write_text(tiny_play.play())
    return Text(TextConfig(name=str(file), styles="speakers", style_count=2), context=16)


def measured(text, model):
    return {metric.name: metric for metric in agreement(model, text, SETTINGS)}


def test_who_writes_in_the_style_that_is_asked_for_agrees(text):
    model = Copyist()
    found = measured(text, model)
    assert found["style_agreement"].value == found["style_agreement_real"].value == 1
    assert found["style_agreement_chance"].value == 0.5
    assert found["style_agreement"].samples == 40 and found["style_agreement"].better == "higher"
    assert [seed for _, seed in model.asked] == list(range(3, 43))
    assert {style for style, _ in model.asked} == set(tiny_play.STYLES)


def test_who_writes_in_one_style_whatever_is_asked_for_has_chance(text):
    found = measured(text, Copyist("BELL"))["style_agreement"]
    assert found.value == 0.5 and found.by_style == {"BELL": 1.0, "CLOCK": 0.0}


def test_the_same_texts_give_the_same_judge():
    learned = {"a": ["one two", "two one one"], "b": ["three four", "four four three"]}
    asked = ["one", "four", "one four", "zzz"]
    judges = [WritingJudge(learned) for _ in range(2)]
    assert judges[0].styles_of(asked) == judges[1].styles_of(asked)
    assert judges[0].styles_of(asked)[:2] == ["a", "b"]


def test_a_text_that_is_shorter_than_a_piece_is_one():
    assert pieces("abc", 9, 4) == ["abc"] and pieces("abcd", 4, 4) == ["abcd"]
