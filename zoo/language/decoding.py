"""Writing on from prompts, token by token, with whatever runs the model.

Prompts may be of different lengths, and a text that is finished leaves the batch.

When a text has filled the window of the model, its older half is dropped and the rest is read anew:
the text goes on as if it had begun there. Each token then sees at least half a window, and reading
anew costs each token about as much again as one step.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import repeat, takewhile
from typing import NamedTuple

import numpy as np

from zoo.errors import UsageError
from zoo.language.memory import Memory
from zoo.language.sampling import Sampler

OVERFLOW = ("slide", "refuse")


class Token(NamedTuple):
    """A token that was drawn: for which prompt, its id, and its log-probability in nats."""

    row: int
    id: int
    log_prob: float = math.nan


class Decoding:
    """A batch of texts in the making; iterate over it for the tokens of each step.

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
        log_probs: whether tokens carry their log-probability, which costs time; NaN if not.

    Raises:
        UsageError: an empty prompt, or with `refuse` more tokens than the window holds.
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
    ):
        if overflow not in OVERFLOW:
            raise UsageError(f"overflow is '{overflow}'; expected slide or refuse")
        for prompt in prompts:
            check_prompt(prompt, max_new_tokens if overflow == "refuse" else 0, context)
        self.memory, self._sampler, self._context = memory, sampler, context
        self._max_new_tokens, self._log_probs = max_new_tokens, log_probs
        self._windows = [list(prompt[-context:]) for prompt in prompts]
        self._go_on(np.arange(len(prompts)))
        self._finished: set[int] = set()
        self._read = 0  # tokens of the first window that the memory holds
        if known:
            pairs = zip(known, self._windows[0][:-1], strict=False)  # the last gives the logits
            self._read = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            memory.truncate(self._read)

    def _go_on(self, rows: np.ndarray) -> None:
        """Leave all texts but these."""
        self._rows, self._going = rows, rows.tolist()

    def finish(self, row: int) -> None:
        """Draw no more tokens for a prompt."""
        self._finished.add(row)

    @property
    def known(self) -> list[int]:
        """What the memory of a single text has read by now; of several this means nothing."""
        return self._windows[0][: self._read]

    def __iter__(self) -> Iterator[list[Token]]:
        windows = self._windows
        unread = [window[self._read :] for window in windows]
        for index in range(self._max_new_tokens):
            if index:
                full = self.memory.full
                unread = self._slide() if full else [windows[row][-1:] for row in self._going]
            logits = self.memory.read(unread)
            self._read = len(windows[0])
            drawn = self._sampler(logits, self._rows)
            log_probs = drawn.log_probs.tolist() if self._log_probs else repeat(math.nan)
            tokens = list(map(Token, self._going, drawn.ids, log_probs))
            for token in tokens:
                windows[token.row].append(token.id)
            yield tokens
            if self._finished:
                self._drop_finished()
                if not len(self._rows):
                    return

    def _slide(self) -> list[list[int]]:
        """Forget everything, and return what is to be read anew: half of a window that is full."""
        for row in self._going:
            if len(self._windows[row]) > self._context:
                self._windows[row] = self._windows[row][-max(1, self._context // 2) :]
        self.memory.forget()
        return [self._windows[row] for row in self._going]

    def _drop_finished(self) -> None:
        going = np.array([row not in self._finished for row in self._going])
        if not going.all():
            self._go_on(self._rows[going])
            if len(self._rows):
                self.memory.keep(np.flatnonzero(going))


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
