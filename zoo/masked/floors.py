"""What a masked word would be guessed without a network: by how often words come.

Reference:
    Witten and Bell 1991, The zero-frequency problem: a context lends as much to shorter ones as it
    has had different tokens.
"""

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np


class Trigrams:
    """Probabilities of a token that is hidden, from two tokens before it and two behind.

    The three triples that it is part of are each as likely as their last token after the other two.

    Args:
        tokens: of a training text, `(N,)`.
        size: tokens V that there are.

    Example:
        >>> model = Trigrams(np.array([0, 1, 2, 3, 4] * 9), size=6)
        >>> int(model.log_probs(np.array([0, 1]), np.array([3, 4])).argmax())
        2
    """

    def __init__(self, tokens: np.ndarray, size: int):
        text = tokens.tolist()
        self._after: dict[int, Counter] = defaultdict(Counter)  # what follows a token
        self._before: dict[int, Counter] = defaultdict(Counter)  # what comes before it
        self._after_two: dict[tuple[int, int], Counter] = defaultdict(Counter)
        for first, second in pairwise(text):
            self._after[first][second] += 1
            self._before[second][first] += 1
        for first, second, third in zip(text, text[1:], text[2:], strict=False):
            self._after_two[first, second][third] += 1
        self.unigram = (np.bincount(tokens, minlength=size) + 1.0) / (len(tokens) + size)
        followers = [self._after.get(each, Counter()) for each in range(size)]
        self._kinds = np.array([len(each) for each in followers], float)
        self._followed = np.array([each.total() for each in followers], float)

    def log_probs(self, before: np.ndarray, behind: np.ndarray) -> np.ndarray:
        """Return the log-probability of each token between two others and two others, `(V,)`."""
        (first, second), (third, fourth) = before.tolist(), behind.tolist()
        product = np.log(self._next(first, second))
        product += np.log(self._links(second, third)) + np.log(self._later(third, fourth))
        product -= product.max()
        return product - np.log(np.exp(product).sum())

    def _next(self, first: int, second: int) -> np.ndarray:
        """Return p(w | first, second), `(V,)`."""
        found = _mixed(self._after.get(second), self.unigram)
        return _mixed(self._after_two.get((first, second)), found)

    def _links(self, second: int, third: int) -> np.ndarray:
        """Return p(third | second, w), `(V,)`."""
        own = _dense(self._before.get(third), len(self.unigram))  # how often third came after w
        seen = self._followed + self._kinds
        single = (own + self._kinds * self.unigram[third]) / np.maximum(seen, 1)
        single = np.where(seen > 0, single, self.unigram[third])
        found = single.copy()
        for token in self._after.get(second, ()):
            after = self._after_two.get((second, token))
            if after:
                total = after.total() + len(after)
                found[token] = (after[third] + len(after) * single[token]) / total
        return found

    def _later(self, third: int, fourth: int) -> np.ndarray:
        """Return p(fourth | w, third), `(V,)`."""
        single = _mixed(self._after.get(third), self.unigram)[fourth]
        found = np.full(len(self.unigram), single)
        for token in self._before.get(third, ()):
            after = self._after_two.get((token, third))
            if after:
                total = after.total() + len(after)
                found[token] = (after[fourth] + len(after) * single) / total
        return found


def _dense(counts: Counter | None, size: int) -> np.ndarray:
    found = np.zeros(size)
    if counts:
        found[[*counts]] = [*counts.values()]
    return found


def _mixed(counts: Counter | None, shorter: np.ndarray) -> np.ndarray:
    """Return probabilities by what followed a context, and by what a shorter one says, `(V,)`."""
    if not counts:
        return shorter
    own = _dense(counts, len(shorter))
    return (own + len(counts) * shorter) / (counts.total() + len(counts))
