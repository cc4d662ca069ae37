"""Writing on from prompts, token by token, with whatever runs the model.

Prompts may be of different lengths, and a text that is finished leaves the batch.

When a text has filled the window of the model, its older half is dropped and the rest is read anew:
the text goes on as if it had begun there. Each token then sees at least half a window, and reading
anew costs each token about as much again as one step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from serving.errors import UsageError
from serving.numbers import shown
from serving.text.constraints import Constraint
from serving.text.filters import log_softmax
from serving.text.lookup import LOGIT_ERROR, PATIENCE, LookupStatistics, NGrams
from serving.text.memory import Memory, newest
from serving.text.sampling import Sampler
from serving.text.sampling_config import SamplingConfig

OVERFLOW = ("slide", "refuse")


@dataclass(frozen=True)
class Order:
    """A text that is to be written: all that decides it, whoever writes it.

    Attributes:
        prompt: its tokens, one at least.
        after: whether the text goes on from that of the prompt; else one of its own begins.
        config, seed: how tokens are drawn.
        most: tokens.
        stop: strings of which the first to appear ends it and is left out.
        constraint: what it follows, of this text alone; None for nothing.
    """

    prompt: Sequence[int]
    after: bool
    config: SamplingConfig
    seed: int
    most: int
    stop: Sequence[str] = ()
    constraint: Constraint | None = None


class Decoding:
    """A batch of texts in the making; iterate over it for what is drawn at each step.

    Args:
        memory: of the model, for as many texts as there are prompts.
        prompts: tokens of each, at least one.
        sampler: draws the tokens, its rows being the prompts.
        max_new_tokens: for each prompt.
        overflow: `slide` as the module says, a prompt beyond the window losing its beginning; or
            `refuse`.
        log_probs: whether to keep the log-probability of each token, which costs time.
        lookup: most tokens that are guessed ahead of the one text that there is, and statistics
            kept of it, see `serving.text.lookup`; None for neither.

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
        overflow: str = "slide",
        log_probs: bool = False,
        lookup: int | None = None,
    ):
        check_prompts(prompts, max_new_tokens, memory.context, overflow, lookup)
        self.memory, self._sampler = memory, sampler
        self._max_new_tokens, self._wants_log_probs = max_new_tokens, log_probs
        self._prompts = [newest(prompt, memory.context, memory.codes) for prompt in prompts]
        self.rows = list(range(len(prompts)))
        self.log_probs: list[list[float]] = [[] for _ in prompts]
        self._finished: set[int] = set()
        self._lookup, self.statistics = lookup, LookupStatistics()

    def finish(self, row: int) -> None:
        """Draw no more tokens for a prompt."""
        self._finished.add(row)

    def __iter__(self) -> Iterator[list[int]]:
        return self._stepping() if self._lookup is None else self._guessing(self._lookup)

    def _stepping(self) -> Iterator[list[int]]:
        """Draw a token for each text at each step."""
        logits = self.memory.begin(self._prompts)
        for left in range(self._max_new_tokens - 1, -1, -1):
            ids = self._draw(logits)
            yield ids
            if self._finished:
                ids = self._drop_finished(ids)
            if not ids or not left:
                return
            logits = self.memory.step(ids)

    def _draw(self, logits: np.ndarray) -> list[int]:
        ids = self._sampler.draw(logits, self.rows)
        if self._wants_log_probs:
            nats = log_softmax(logits)
            for index, row in enumerate(self.rows):
                self.log_probs[row].append(nats.item(index, ids[index]))
        return ids

    def _drop_finished(self, ids: list[int]) -> list[int]:
        """Leave the texts that are finished, and return the tokens of the others."""
        going = [index for index, row in enumerate(self.rows) if row not in self._finished]
        if len(going) < len(self.rows):
            self.rows = [self.rows[index] for index in going]
            if going:
                self.memory.keep(going)
        return [ids[index] for index in going]

    # --- with guesses ---

    def _guessing(self, most: int) -> Iterator[list[int]]:
        """Draw as many tokens of the one text at each step as were guessed right, and one more."""
        memory, said, grams = self.memory, self.statistics, NGrams()
        [text], left = self._prompts, self._max_new_tokens
        logits = memory.begin([text])
        guess: list[int] = []
        alone: int | None = None  # tokens that were held when the first guess was read
        while True:
            said.steps, said.guessed = said.steps + 1, said.guessed + len(guess)
            held = len(memory.texts[0]) - len(guess)  # tokens that are true
            for index, own in enumerate(logits):
                if alone is not None and not self._sampler.sure(own, LOGIT_ERROR):
                    own, alone, guess = self._read_alone(alone, held), None, []
                ids = self._draw(own[None])
                left, said.tokens = left - 1, said.tokens + 1
                text += ids
                yield ids
                if self._finished or not left:
                    return
                if guess[index : index + 1] != ids:
                    break
                held, said.accepted = held + 1, said.accepted + 1
            memory.truncate(held)
            if said.steps > said.tokens + PATIENCE:
                most = 0
            guess = grams.guess(text, max(0, min(most, left - 1, memory.context - held - 1)))
            if guess:
                alone = held if alone is None else alone
                logits = memory.read_each([*ids, *guess])
            else:
                alone = None if held == memory.context else alone  # the window slides
                logits = memory.step(ids)

    def _read_alone(self, begin: int, end: int) -> np.ndarray:
        """Read some of the tokens that are held one by one, as they are without guesses.

        Returns:
            The logits after the last, `(V,)`.
        """
        unread = self.memory.texts[0][begin:end]
        self.memory.truncate(begin)
        self.statistics.steps += len(unread)
        for token in unread:
            logits = self.memory.step([token])
        last: np.ndarray = logits[0]
        return last


def check_prompts(
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    context: int,
    overflow: str = "slide",
    lookup: int | None = None,
) -> None:
    """Refuse prompts that cannot be written on from as asked; see `Decoding`.

    Raises:
        UsageError: as said there.
    """
    if lookup is not None and len(prompts) > 1:
        raise UsageError(
            f"guesses are for one prompt at a time, and there are {len(prompts)}; "
            "leave prompt_lookup_num_tokens out"
        )
    if overflow not in OVERFLOW:
        raise UsageError(f"overflow is {shown(overflow)}; expected 'slide' or 'refuse'")
    for prompt in prompts:
        check_prompt(prompt, max_new_tokens if overflow == "refuse" else 0, context)


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
