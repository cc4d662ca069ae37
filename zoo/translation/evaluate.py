"""How good translations are: BLEU and chrF++ by sacreBLEU, whose signatures say what was computed.

References:
    Papineni et al. 2002; Popović 2017 (chrF++); Post 2018 (arXiv:1804.08771), sacreBLEU.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from serving.errors import GenzooError
from serving.text.translation.translator import TextTranslator
from zoo.config import Config
from zoo.data.parallel import Pairs
from zoo.metric import Metric
from zoo.translation.data import fitting


class TranslationEvaluateConfig(Config):
    """The `[evaluate]` table of a recipe of translation.

    Args:
        beams: translations followed at once.
        length_penalty: see `TextTranslator.translate`.
        tokenize: how sacreBLEU splits words; `none` where the texts are split already.
        lowercase: whether capitals are compared as small letters.
        limit: translate this many texts of the test part; all unless given.

    Example:
        >>> TranslationEvaluateConfig(limit=100).beams
        5
    """

    beams: Annotated[int, Field(ge=1)] = 5
    length_penalty: Annotated[float, Field(ge=0)] = 1.0
    tokenize: Literal["13a", "none"] = "13a"
    lowercase: bool = False
    limit: Annotated[int, Field(ge=1)] | None = None


def evaluate(
    model: TextTranslator, pairs: Mapping[str, Pairs], settings: TranslationEvaluateConfig
) -> Iterator[Metric]:
    """Yield BLEU, chrF++ and nats per character of each language that is translated into.

    Those of the first are called `bleu`, `chrf` and `nats_per_character`, of the others `bleu_en`
    and so on.

    Args:
        model: whatever runs it.
        pairs: texts and their translations, by the language of these.
        settings: of the recipe.
    """
    for language in model.languages:
        some = Pairs(*(side[: settings.limit] for side in pairs[language]))
        sources, targets = fitting(model, some, language)
        left = len(some.sources) - len(sources)
        without = f"; without {left} that are too long" if left else ""
        ending = "" if language == next(iter(model.languages)) else f"_{language}"
        written = model.translate(sources, language, settings.beams, settings.length_penalty)
        found = list(bleu_and_chrf(list(written), targets, settings))
        for name, value, signature, words in found:
            yield Metric(
                name=name + ending,
                value=value,
                unit="",
                definition=f"{words} of translations into '{language}', {settings.beams} beams, "
                f"length penalty {settings.length_penalty:g}{without}; {signature}",
                samples=len(sources),
                counted="texts",
                seed=0,
                better="higher",
                signature=signature,
            )
        nats = [model.score(*pair, language).nats for pair in zip(sources, targets, strict=True)]
        yield Metric(
            name=f"nats_per_character{ending}",
            value=float(np.sum(nats)) / sum(map(len, targets)),
            unit="nats/char",
            definition=f"-log p of the reference in '{language}', its end included, per "
            f"character{without}",
            samples=len(sources),
            counted="texts",
            seed=0,
        )


def bleu_and_chrf(
    written: Sequence[str], references: Sequence[str], settings: TranslationEvaluateConfig
) -> Iterator[tuple[str, float, str, str]]:
    """Yield name, value, signature of sacreBLEU and words of each measure.

    Raises:
        GenzooError: sacreBLEU is not installed.

    Example:
        >>> settings, texts = TranslationEvaluateConfig(), ["a dog runs ."]
        >>> found = list(bleu_and_chrf(texts, texts, settings))
        >>> [(name, round(value, 6)) for name, value, *_ in found]
        [('bleu', 100.0), ('chrf', 100.0)]
    """
    try:
        from sacrebleu.metrics import BLEU, CHRF
    except ImportError:
        raise GenzooError("BLEU is measured by sacreBLEU: pip install 'genzoo[train]'") from None
    bleu = BLEU(lowercase=settings.lowercase, tokenize=settings.tokenize, force=True)
    chrf = CHRF(word_order=2, lowercase=settings.lowercase)
    for name, measure, words in (("bleu", bleu, "BLEU"), ("chrf", chrf, "chrF++")):
        score = measure.corpus_score([*written], [[*references]])
        value = float(score.score) if math.isfinite(score.score) else 0.0
        yield name, value, str(measure.get_signature()), words
