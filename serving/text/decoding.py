"""Writing on from prompts, token by token, with whatever runs the model.

Prompts may be of different lengths, and a text that is finished leaves the batch.

When a text has filled the window of the model, its older half is dropped and the rest is read anew:
the text goes on as if it had begun there. Each token then sees at least half a window, and reading
anew costs each token about as much again as one step.
"""

from collections.abc import Iterator, Sequence
from itertools import takewhile

import numpy as np

from serving.errors import UsageError
from serving.text.filters import log_softmax
from serving.text.lookup import LookupStatistics, NGrams
from serving.text.memory import Memory
from serving.text.sampling import Sampler

OVERFLOW = ("slide", "refuse")


class Decoding:
    """A batch of texts in the making; iterate over it for what is drawn at each step.

    Args:
        memory: of the model, for as many texts as there are prompts.
        prompts: tokens of each, at least one.
        sampler: draws the tokens, its rows being the prompts.
        max_new_tokens: for each prompt.
        context: most tokens that the model sees at once.
        overflow: `slide` as the module says, a prompt beyond the window losing its beginning; or
            `refuse`.
        known: what the memory of a single text has read; what a prompt has in common with it at
            the beginning is not read again.
        log_probs: whether to keep the log-probability of each token, which costs time.
        lookup: most tokens that are guessed ahead, see `serving.text.lookup`; for one prompt only.

    Attributes:
        rows: the prompts whose texts go on, in rising order; what a step draws is for these.
        log_probs: of the tokens of each prompt so far, in nats, before penalties and filters.
        statistics: how good the guesses are, with `lookup`.

    Raises:
        UsageError: an empty prompt, with `refuse` more tokens than the window holds, or `lookup`
            for several prompts.
    """

    def __init__(
        self,
        memory: Memory,
        prompts: Sequence[Sequence[int]],
        sampler: Sampler,
        *,
        max_new_tokens: int,
        context: int,
        overflow: str = "slide",
        known: Sequence[int] = (),
        log_probs: bool = False,
        lookup: int = 0,
    ):
        if lookup and len(prompts) > 1:
            raise UsageError(
                f"guesses are for one prompt at a time, and there are {len(prompts)}; "
                "leave prompt_lookup_num_tokens out"
            )
        if overflow not in OVERFLOW:
            raise UsageError(f"overflow is '{overflow}'; expected slide or refuse")
        for prompt in prompts:
            check_prompt(prompt, max_new_tokens if overflow == "refuse" else 0, context)
        self.memory, self._sampler, self._context = memory, sampler, context
        self._max_new_tokens, self._wants_log_probs = max_new_tokens, log_probs
        self._windows = [list(prompt[-context:]) for prompt in prompts]
        self.rows = list(range(len(prompts)))
        self.log_probs: list[list[float]] = [[] for _ in prompts]
        self._finished: set[int] = set()
        self._lookup, self.statistics = lookup, LookupStatistics()
        self._read = 0  # tokens of the first window that the memory holds
        if known:
            pairs = zip(known, self._windows[0][:-1], strict=False)  # the last gives the logits
            self._read = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            memory.truncate(self._read)

    def finish(self, row: int) -> None:
        """Draw no more tokens for a prompt."""
        self._finished.add(row)

    @property
    def known(self) -> list[int]:
        """What the memory of a single text has read by now; of several this means nothing."""
        return self._windows[0][: self._read]

    def __iter__(self) -> Iterator[list[int]]:
        return self._guessing() if self._lookup else self._stepping()

    def _stepping(self) -> Iterator[list[int]]:
        """Draw a token for each text at each step."""
        unread = [window[self._read :] for window in self._windows]
        for index in range(self._max_new_tokens):
            if index and self.memory.full:
                unread = self._slide()
            logits = self.memory.read(unread)
            self._read = len(self._windows[0])
            ids = self._draw(logits)
            yield ids
            if self._finished:
                ids = self._drop_finished(ids)
                if not ids:
                    return
            unread = list(zip(ids))

    def _draw(self, logits: np.ndarray) -> list[int]:
        ids = self._sampler.draw(logits, self.rows)
        if self._wants_log_probs:
            nats = log_softmax(logits)
            for place, row in enumerate(self.rows):
                self.log_probs[row].append(nats.item(place, ids[place]))
        for place, row in enumerate(self.rows):
            self._windows[row].append(ids[place])
        return ids

    def _guessing(self) -> Iterator[list[int]]:
        """Draw as many tokens of the one text at each step as were guessed right, and one more."""
        grams, statistics, left = NGrams(), self.statistics, self._max_new_tokens
        while left:
            if statistics.steps and self.memory.full:
                self._slide()
                grams = NGrams()
            window = self._windows[0]
            most = min(self._lookup, left - 1, self._context - len(window))
            guess = grams.guess(window, most) if self._read else []
            unread = [*window[self._read :], *guess]
            logits = self.memory.read_each(unread) if guess else self.memory.read([unread])
            statistics.steps += 1
            statistics.guessed += len(guess)
            for place, row in enumerate(logits[-1 - len(guess) :]):
                ids = self._draw(row[None])
                right = guess[place : place + 1] == [window[-1]]
                self._read = len(window) - 1  # of what the memory holds, all that is true
                left, statistics.tokens = left - 1, statistics.tokens + 1
                statistics.accepted += right
                yield ids
                if self._finished:
                    return
                if not right:
                    break
            if guess:
                self.memory.truncate(self._read)

    def _slide(self) -> list[list[int]]:
        """Forget everything, and return what is to be read anew: half of a window that is full."""
        for row in self.rows:
            if len(self._windows[row]) > self._context:
                self._windows[row] = self._windows[row][-max(1, self._context // 2) :]
        self.memory.forget()
        self._read = 0
        return [self._windows[row] for row in self.rows]

    def _drop_finished(self, ids: list[int]) -> list[int]:
        """Leave the texts that are finished, and return the tokens of the others."""
        places = [place for place, row in enumerate(self.rows) if row not in self._finished]
        if len(places) < len(self.rows):
            self.rows = [self.rows[place] for place in places]
            if places:
                self.memory.keep(np.array(places))
        return [ids[place] for place in places]


def check_prompt(prompt: Sequence[int], max_new_tokens: int, context: int) -> None:
    """Refuse a prompt that is empty, or with the new tokens goes beyond the window.

    Raises:
        UsageError: as said.
    """
    if not len(prompt):
        raise UsageError("the prompt is empty; give it at least one character to go on from")
    # The last new token is not read any more.
    if max_new_tokens and len(prompt) + max_new_tokens - 1 > context:
        raise UsageError(
            f"{len(prompt)} tokens of prompt and {max_new_tokens} new ones do not fit a window of "
            f"{context}; ask for fewer, or for overflow='slide'"
        )
