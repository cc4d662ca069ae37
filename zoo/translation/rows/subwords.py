"""Words as tokens in several ways: byte pairs of which some are not merged while training.

A model that sees a rare word in other parts each time learns what the parts mean.

Reference:
    Provilkov et al. 2020, BPE-dropout (arXiv:1910.13267).
"""

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import tokenizers

from zoo.translation.rows.ragged import Ragged

WAYS = 8  # in which a word is written while training


class Subwords:
    """Writes texts as the tokens of a byte-pair tokenizer, or of one that forgets merges.

    Args:
        tokenizer: byte-level.
        dropout: share of merges that are left out, for each word anew; 0 for none.
        seed: of what is left out.

    Example:
        >>> from zoo.data.tokenizers import bpe_tokenizer
        >>> subwords = Subwords(bpe_tokenizer(["low lower lowest"] * 2, 265), dropout=0.5, seed=1)
        >>> texts = subwords.read(["low lowest"])
        >>> len({tuple(subwords.tokens(texts, way).rows()[0]) for way in range(8)}) > 1
        True
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, dropout: float = 0.0, seed: int = 0):
        self._splitter = tokenizer.pre_tokenizer
        model = json.loads(tokenizer.to_str())["model"]
        merges = (m if isinstance(m, list) else m.split(" ") for m in model["merges"])
        self._ranks = {tuple(pair): rank for rank, pair in enumerate(merges)}
        self._ids: dict[str, int] = model["vocab"]
        self._dropout, self._seed = dropout, seed
        self.ways = WAYS if dropout else 1
        self._numbers: dict[str, int] = {}  # of the words that were read
        self._tokens: Ragged | None = None  # of word w in way k: row w * ways + k

    def read(self, texts: Iterable[str]) -> Ragged:
        """Return the words of texts, by numbers that `tokens` knows."""
        numbers, found = self._numbers, []
        for text in texts:
            words = [word for word, _ in self._splitter.pre_tokenize_str(text)]
            found.append([numbers.setdefault(word, len(numbers)) for word in words])
        self._tokens = None
        return Ragged.of(found)

    def tokens(self, words: Ragged, way: int = 0, seed: int | None = None) -> Ragged:
        """Return the tokens of texts.

        Args:
            words: as `read` returned them.
            way: in which all words are written; 0 is that of the tokenizer itself.
            seed: of a way for each word, instead.
        """
        if self._tokens is None:
            self._tokens = segmented(
                self._numbers, self._ranks, self._ids, self.ways, self._dropout, self._seed
            )
        return written(self._tokens, words, self.ways, way, seed)


def written(tokens: Ragged, words: Ragged, ways: int, way: int, seed: int | None) -> Ragged:
    """Write words by their tokens; see `Subwords.tokens`.

    Args:
        tokens: of word w in way k, row `w * ways + k`.
        words: of each text.
        ways: in which each word can be written.
        way, seed: as said there.
    """
    if seed is None or ways == 1:
        chosen = np.full(len(words.values), way)
    else:
        chosen = np.random.RandomState(seed % 2**32).randint(0, ways, len(words.values))
    return tokens.taken(words.values * ways + chosen).merged(words.bounds)


def segmented(
    words: Iterable[str],
    ranks: Mapping[tuple[str, str], int],
    ids: Mapping[str, int],
    ways: int,
    dropout: float,
    seed: int,
) -> Ragged:
    """Return the tokens of each word in each way; the first is that of the tokenizer itself."""
    rows: list[Sequence[int]] = []
    for word in words:
        # Of the word itself, so that it does not matter which others there are.
        random = np.random.RandomState((zlib.crc32(word.encode()) + seed) % 2**32)
        for way in range(ways):
            parts = _merged(list(word), ranks, dropout if way else 0.0, random)
            rows.append([ids[part] for part in parts])
    return Ragged.of(rows)


def _merged(
    parts: list[str],
    ranks: Mapping[tuple[str, str], int],
    dropout: float,
    random: np.random.RandomState,
) -> list[str]:
    """Merge the pair of the lowest rank, of those that are not left out, until there is none."""
    while len(parts) > 1:
        pairs = [(ranks.get(pair), at) for at, pair in enumerate(pairwise(parts))]
        known = [(rank, at) for rank, at in pairs if rank is not None]
        if dropout:
            kept = random.random_sample(len(known)) >= dropout
            known = [pair for pair, keep in zip(known, kept, strict=True) if keep]
        if not known:
            return parts
        _, at = min(known)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts
