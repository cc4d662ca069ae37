"""What a translator learns from: pairs of texts, in tokens, packed into rows."""

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Literal

import numpy as np
import tokenizers as library
from pydantic import Field

from serving.errors import UsageError
from serving.text.translation.translator import TextTranslator
from zoo.data import parallel, tokenizers
from zoo.data.parallel import Pairs, ParallelConfig
from zoo.translation.rows.packing import INPUTS, packed
from zoo.translation.rows.ragged import Ragged
from zoo.translation.rows.spans import corrupted
from zoo.translation.rows.subwords import Subwords

GAPS = 16  # most gaps of a text
BEGIN = tokenizers.BOS  # the token that a target begins with, before its first
Batch = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]


class TranslationDataConfig(ParallelConfig):
    """The `[data]` table of a recipe of translation.

    Args:
        both_ways: learn to translate into either language; a token before the source says which
            (Johnson et al. 2017, arXiv:1611.04558).
        objective: `pairs`, to translate; or `spans`: texts of both languages with gaps, from which
            the model writes what filled them, see `zoo.translation.rows.spans`.
        vocabulary_size: tokens of both languages together, special ones and 256 bytes included.
        subword_dropout: share of merges that a word is written without, anew in every pass; see
            `zoo.translation.rows.subwords`.
        row: tokens of a row, on both sides; pairs of longer texts are left out.

    Example:
        >>> config = TranslationDataConfig(name="number_words", vocabulary_size=300)
        >>> config.objective
        'pairs'
    """

    both_ways: bool = False
    objective: Literal["pairs", "spans"] = "pairs"
    vocabulary_size: Annotated[int, Field(ge=tokenizers.SMALLEST + 2)]
    subword_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    row: Annotated[int, Field(ge=8)] = 64


class TranslationData:
    """The pairs of a recipe, ready to train on and to evaluate.

    Args:
        config: the `[data]` table.
        context: most tokens of a text that the model takes.
        vocabulary_size: tokens that the model knows, to be checked.
        tokenizer: of the model; made from the training part if there is none yet.
        seed: of the order of pairs, and of all else that differs from pass to pass.

    Attributes:
        tokenizer: of the Hugging Face library.
        source: name, version and licence of the data set.
        parts: pairs of texts by `train`, `validation` and `test`.
        languages: that are translated into, and the token that says so; None for a single one.

    Raises:
        UsageError: the data cannot be had, or do not fit the model.

    Example:
        >>> config = TranslationDataConfig(name="number_words", vocabulary_size=300, limit=100)
        >>> data = TranslationData(config, context=64, vocabulary_size=300)
        >>> data.rows("train", number=0)["input_ids"].shape[1]
        64
    """

    def __init__(
        self,
        config: TranslationDataConfig,
        context: int,
        vocabulary_size: int,
        tokenizer: library.Tokenizer | None = None,
        seed: int = 0,
    ):
        self.config, self.context, self._seed = config, context, seed
        if config.row > context:
            raise UsageError(
                f"data.row is {config.row} and the model takes {context} tokens; lower data.row"
            )
        self.parts, self.source = parallel.read(config)
        self.tokenizer = tokenizer or _tokenizer(config, self.parts["train"])
        size = self.tokenizer.get_vocab_size()
        if size != vocabulary_size:
            raise UsageError(
                f"'{config.name}' has {size} tokens and the model takes {vocabulary_size}; "
                f"set model.vocabulary_size={size}"
            )
        self.languages = languages_of(config, self.tokenizer)
        self.gaps = [self.tokenizer.token_to_id(gap_token(at)) for at in range(GAPS)]
        if config.objective == "spans" and None in self.gaps:
            raise UsageError(
                "the tokenizer of the model to go on from has no tokens for gaps; train from the "
                "beginning with data.objective 'spans', or go on with 'pairs'"
            )
        self._subwords = Subwords(self.tokenizer, config.subword_dropout, seed)
        self._words = {
            part: [self._subwords.read(side) for side in pairs]
            for part, pairs in self.parts.items()
        }

    def rows(
        self, part: str, number: int | None = None, count: int | None = None
    ) -> dict[str, np.ndarray]:
        """Return the pairs of a part, packed; see `zoo.translation.rows.packing`.

        Args:
            part: of `train`, `validation` and `test`.
            number: of the pass, on which order, subwords and gaps depend; None for pairs in their
                order, in the subwords that the tokenizer writes.
            count: rows, see `packed`.

        Raises:
            UsageError: no pair is short enough.
        """
        sources, targets = self._pairs(part, number)
        length = self.context if number is None else self.config.row
        short = np.flatnonzero((sources.lengths <= length) & (targets.lengths <= length))
        if not len(short):
            raise UsageError(
                f"all texts of '{self.config.name}' for {part} are longer than {length} tokens; "
                "raise data.row and model.context"
            )
        if number is not None:
            short = self._random(number).permutation(short)
        return packed(sources.taken(short), targets.taken(short), length, BEGIN, count)

    def passes(self, batch_size: int) -> int:
        """Return the number of batches of a pass: what is left over in one waits for another."""
        return max(1, self._rows_of_a_pass // batch_size)

    @cached_property
    def _rows_of_a_pass(self) -> int:
        """How many rows the first pass fills, by which all passes are as long."""
        return len(self.rows("train", 0)["targets"])

    def batches(self, batch_size: int, start: int) -> Iterator[Batch]:
        """Yield batches without end, from step `start` on: inputs, targets, and their weights.

        Each is a function of the seed and the step alone.
        """
        each = self.passes(batch_size)
        number, done = divmod(start, each)
        while True:
            rows = self.rows("train", number, each * batch_size)
            order = self._random(number, 1).permutation(each * batch_size)
            for begin in range(done * batch_size, each * batch_size, batch_size):
                chosen = order[begin : begin + batch_size]
                yield batch_of({name: values[chosen] for name, values in rows.items()})
            number, done = number + 1, 0

    def _pairs(self, part: str, number: int | None) -> tuple[Ragged, Ragged]:
        """Return sources and targets as the model reads and writes them."""
        end = [tokenizers.EOS]
        seeds = [None, None] if number is None else self._random(number, 2).randint(0, 2**31, 2)
        first, second = (
            self._subwords.tokens(words, seed=seed)
            for words, seed in zip(self._words[part], seeds, strict=True)
        )
        if self.config.objective == "spans":
            texts = Ragged.joined([first, second])
            spans = corrupted(texts, self.gaps, 0 if number is None else int(seeds[0]))
            return spans[0].framed([], end), spans[1].framed([], end)
        sources, targets = [], []
        ways = [(first, second), (second, first)]
        for (source, target), language in zip(ways, self.languages.values(), strict=False):
            sources.append(source.framed([] if language is None else [language], end))
            targets.append(target.framed([], end))
        return Ragged.joined(sources), Ragged.joined(targets)

    def _random(self, number: int, what: int = 0) -> np.random.RandomState:
        """Return random numbers of a pass, others for each use of them."""
        return np.random.RandomState([self._seed, number, what])


def batch_of(rows: Mapping[str, np.ndarray]) -> Batch:
    """Return packed rows as Keras takes them: inputs, targets, and 1 for each that counts."""
    inputs = {name: rows[name] for name in INPUTS}
    weights = (rows["decoder_attention_mask"] > 0).astype(np.float32)
    return inputs, rows["targets"], weights


def by_language(pairs: Pairs, languages: Iterable[str]) -> dict[str, Pairs]:
    """Return pairs by the language that is translated into: that of the targets comes first."""
    return dict(zip(languages, (pairs, pairs.turned), strict=False))


def fitting(model: TextTranslator, pairs: Pairs, language: str) -> Pairs:
    """Return the pairs that a model can read and write; on others it is not trained either.

    Raises:
        UsageError: there are none.
    """
    both = zip(pairs.sources, pairs.targets, strict=True)
    found = [pair for pair in both if model.takes(*pair, language)]
    if not found:
        raise UsageError(
            f"all of {len(pairs.sources)} texts to be translated into '{language}' are longer than "
            f"{model.context} tokens; bring shorter ones, or raise model.context"
        )
    return Pairs(*map(list, zip(*found, strict=True)))


def languages_of(
    config: TranslationDataConfig, tokenizer: library.Tokenizer
) -> dict[str, int | None]:
    """Return the languages that are translated into, and the tokens that say so.

    Of a single language there is no such token.
    """
    first, second = config.languages
    if not config.both_ways:
        return {second: None}
    return {each: tokenizer.token_to_id(language_token(each)) for each in (second, first)}


def language_token(language: str) -> str:
    """Return the special token before a source that is to be translated into a language."""
    return f">>{language}<<"


def gap_token(number: int) -> str:
    """Return the special token that stands for a gap, counted from 0."""
    return f"<|gap_{number}|>"


def _tokenizer(config: TranslationDataConfig, train: Pairs) -> library.Tokenizer:
    special = [language_token(each) for each in reversed(config.languages)]
    if config.objective == "spans":
        special += [gap_token(at) for at in range(GAPS)]
    texts = [*train.sources, *train.targets]
    made = tokenizers.bpe_tokenizer(texts, config.vocabulary_size, special, prefix_space=True)
    return tokenizers.end_texts(made)  # for other programs
