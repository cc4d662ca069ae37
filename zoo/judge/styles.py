"""Whether what a model writes in a style is of that style, as a classifier of real texts sees it.

Reference:
    Agreement with a classifier as of Hu et al. 2017 (arXiv:1703.00955), section 4.2.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Protocol

from serving.text.text import TextModel
from zoo.data.text import Text
from zoo.judge.writing import WritingJudge
from zoo.metric import Metric

AT_ONCE = 64  # texts that are written at the same time


class StyleSettings(Protocol):
    """What is written: `zoo.transformer.evaluate.TextEvaluateConfig` has it."""

    style_samples: int
    style_characters: int
    style_seed: int


def agreement(model: TextModel, text: Text, settings: StyleSettings) -> Iterator[Metric]:
    """Yield how often a judge finds the style that was asked for, beside real text and chance.

    The judge learns from the training part, in pieces that overlap by half. Real text is that of
    the test part, in pieces side by side, as long as those that are written.

    Args:
        model: that has the styles of the text.
        text: of the recipe.
        settings: how many texts are written, how long, and of which seed.
    """
    size = settings.style_characters
    train, test = text.written("train"), text.written("test")
    judge = WritingJudge({style: pieces(own, size, size // 2) for style, own in train.items()})
    real = {style: pieces(own, size, size) for style, own in test.items()}
    written = _written(model, text, settings)
    count = len(text.styles)
    told = (
        f"texts of {size} characters whose style, of {count}, is found by logistic regression on "
        "n-grams of characters, learned from the training part"
    )
    seed = settings.style_seed
    for name, texts, what in (
        ("style_agreement", written, f"share of generated {told}, to be that asked for"),
        ("style_agreement_real", real, f"share of held-out {told}, right"),
    ):
        yield _share(name, judge, texts, what, seed)
    yield Metric(
        name="style_agreement_chance",
        value=1 / count,
        unit="",
        definition=f"share of {told}, by chance",
        samples=count,
        counted="styles",
        seed=seed,
        better="higher",
    )


def pieces(text: str, size: int, stride: int) -> list[str]:
    """Cut a text into pieces of one size, whose beginnings are `stride` apart; one at least.

    Example:
        >>> pieces("abcdefg", 4, 2)
        ['abcd', 'cdef']
    """
    last = max(0, len(text) - size)
    return [text[begin : begin + size] for begin in range(0, last + 1, stride)]


def one_of_each(styles: Sequence[str], count: int) -> dict[str, Any]:
    """Return the argument `style` of so many texts, in turns; none where there are no styles.

    Example:
        >>> one_of_each(["ROMEO", "JULIET"], 3), one_of_each([], 3)
        ({'style': ['ROMEO', 'JULIET', 'ROMEO']}, {})
    """
    return {"style": [styles[index % len(styles)] for index in range(count)]} if styles else {}


def _written(model: TextModel, text: Text, settings: StyleSettings) -> dict[str, list[str]]:
    """Write texts in each style; the end of a document does not end them."""
    size, each = settings.style_characters, settings.style_samples
    asked = iter([style for style in text.styles for _ in range(each)])
    tokens = max(1, round(size / text.characters_per_token("train")))
    found: dict[str, list[str]] = {style: [] for style in text.styles}
    seed = settings.style_seed
    while styles := list(islice(asked, AT_ONCE)):
        texts = model.generate(
            [model.tokenizer.beginning] * len(styles),
            max_new_tokens=tokens,
            style=styles,
            seed=[seed + index for index in range(len(styles))],
            logit_bias=dict.fromkeys(model.tokenizer.ends, -1e4),
        )
        seed += len(styles)
        for style, own in zip(styles, texts, strict=True):
            found[style].append(own[:size])
    return found


def _share(
    name: str, judge: WritingJudge, texts: dict[str, list[str]], definition: str, seed: int
) -> Metric:
    """Return the share of texts that are judged to be of their style, and that of each style."""
    right = {
        style: [found == style for found in judge.styles_of(own)] for style, own in texts.items()
    }
    marks = [mark for own in right.values() for mark in own]
    return Metric(
        name=name,
        value=sum(marks) / len(marks),
        unit="",
        definition=definition,
        samples=len(marks),
        counted="texts",
        seed=seed,
        better="higher",
        by_style={style: round(sum(own) / len(own), 4) for style, own in right.items()},
    )
