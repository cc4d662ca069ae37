"""Writing on from prompts, token by token, with whatever runs the model.

A model is a `Step`: Keras, ONNX Runtime or anything else that takes tokens and the keys and values
of those before them. Prompts of different lengths are padded on the left, and a text that is
finished leaves the batch.

When a text has filled the window of the model, its older half is dropped and the rest is read anew:
the text goes on as if it had begun there. Each token then sees at least half a window, and reading
anew costs each token about as much again as one step.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from zoo.errors import UsageError
from zoo.language.sampling import Sampler

Past = list[tuple[Any, Any]]
OVERFLOW = ("slide", "refuse")


class Step(Protocol):
    """One call of a decoder.

    Args:
        input_ids: int64 `(B, T)`.
        attention_mask: int64 `(B, S + T)`: 1 for tokens, 0 for padding.
        position_ids: int64 `(B, T)`: the place of each token in its text.
        past: a pair of keys and values `(B, heads, S, head_size)` for each layer; None for S = 0.

    Returns:
        Logits `(B, T, V)`, and keys and values of all S + T tokens.
    """

    def __call__(
        self,
        input_ids: np.ndarray,
        attention_mask: np.ndarray,
        position_ids: np.ndarray,
        past: Past | None,
    ) -> tuple[np.ndarray, Past]: ...


class Token(NamedTuple):
    """A token that was drawn: for which prompt, its id, and its log-probability in nats."""

    row: int
    id: int
    log_prob: float


@dataclass(frozen=True)
class Cache:
    """What a model has read: tokens, and their keys and values in one row."""

    tokens: tuple[int, ...]
    past: Past


class Decoding:
    """A batch of texts in the making; iterate over it for the tokens of each step.

    Args:
        step: the model.
        prompts: tokens of each, at least one.
        sampler: draws the tokens, its rows being the prompts.
        max_new_tokens: for each prompt.
        context: most tokens that the model sees at once.
        overflow: `slide` as the module says, a prompt beyond the window losing its beginning; or
            `refuse`.
        cache: what the model has read before; what a single prompt begins with is not read again.

    Raises:
        UsageError: an empty prompt, or with `refuse` more tokens than the window holds.
    """

    def __init__(
        self,
        step: Step,
        prompts: Sequence[Sequence[int]],
        sampler: Sampler,
        *,
        max_new_tokens: int,
        context: int,
        overflow: str = "slide",
        cache: Cache | None = None,
    ):
        if overflow not in OVERFLOW:
            raise UsageError(f"overflow is '{overflow}'; expected slide or refuse")
        for prompt in prompts:
            check_prompt(prompt, max_new_tokens if overflow == "refuse" else 0, context)
        self._step, self._sampler, self._context = step, sampler, context
        self._max_new_tokens = max_new_tokens
        self._windows = [list(prompt[-context:]) for prompt in prompts]
        self._rows = np.arange(len(prompts))  # of the texts that go on
        self._finished: set[int] = set()
        self._mask = np.zeros((len(prompts), 0), np.int64)  # (B, S): what `past` is of
        self._past: Past | None = None
        self._single = len(prompts) == 1
        if cache is not None and self._single:
            self._take_from(cache)

    def finish(self, row: int) -> None:
        """Draw no more tokens for a prompt."""
        self._finished.add(row)

    def __iter__(self) -> Iterator[list[Token]]:
        for index in range(self._max_new_tokens):
            logits = self._read() if index == 0 else self._read_on()
            drawn = self._sampler(logits, self._rows)
            tokens = [
                Token(int(row), int(id), float(log_prob))
                for row, id, log_prob in zip(self._rows, *drawn, strict=True)
            ]
            for token in tokens:
                self._windows[token.row].append(token.id)
            yield tokens
            if self._finished.issuperset(self._rows.tolist()):
                return
            self._drop_finished()

    @property
    def cache(self) -> Cache | None:
        """What has been read of a single prompt and its text; None for several."""
        if not self._single or self._past is None:
            return None
        return Cache(tuple(self._windows[0][: self._mask.shape[1]]), self._past)

    def _take_from(self, cache: Cache) -> None:
        window = self._windows[0]
        pairs = zip(cache.tokens, window[:-1], strict=False)  # the last is read for its logits
        same = next((i for i, (a, b) in enumerate(pairs) if a != b), None)
        known = min(len(cache.tokens), len(window) - 1) if same is None else same
        if known:
            self._mask = np.ones((1, known), np.int64)
            self._past = [
                (np.asarray(key)[:, :, :known], np.asarray(value)[:, :, :known])
                for key, value in cache.past
            ]

    def _read(self) -> np.ndarray:
        """Read what there is of each text beyond `past`, and return its last logits `(B, V)`."""
        seen = self._mask.shape[1]
        texts = [self._windows[row][seen:] for row in self._rows]
        ids, mask = padded(texts)
        mask = np.concatenate([self._mask, mask], axis=1)
        positions = np.maximum(np.cumsum(mask, axis=1) - 1, 0)[:, seen:]
        return self._run(ids, mask, positions)

    def _read_on(self) -> np.ndarray:
        """Read the newest token of each text, or what is in the window where it is full."""
        windows = self._windows
        if self._mask.shape[1] < self._context:
            ids = np.array([[windows[row][-1]] for row in self._rows])  # (B, 1)
            positions = np.array([[len(windows[row]) - 1] for row in self._rows])
            mask = np.concatenate([self._mask, np.ones_like(ids)], axis=1)
            return self._run(ids, mask, positions)
        # Padding fills the batch's window before a shorter text fills its own: that one stays.
        for row in self._rows:
            if len(windows[row]) > self._context:
                windows[row] = windows[row][-max(1, self._context // 2) :]
        self._mask, self._past = self._mask[:, :0], None
        return self._read()

    def _run(self, ids: np.ndarray, mask: np.ndarray, positions: np.ndarray) -> np.ndarray:
        logits, self._past = self._step(ids, mask, positions, self._past)
        self._mask = mask
        return np.asarray(logits)[:, -1]

    def _drop_finished(self) -> None:
        going = np.array([row not in self._finished for row in self._rows])
        if not going.all():
            self._rows, self._mask = self._rows[going], self._mask[going]
            self._past = take_rows(self._past, np.flatnonzero(going))


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


def padded(texts: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Return texts padded on the left, and 1 for tokens and 0 for padding: int64 `(B, T)` each.

    Example:
        >>> ids, mask = padded([[5, 6, 7], [8]])
        >>> ids.tolist(), mask.tolist()
        ([[5, 6, 7], [0, 0, 8]], [[1, 1, 1], [0, 0, 1]])
    """
    longest = max(map(len, texts))
    ids, mask = np.zeros((2, len(texts), longest), np.int64)
    for row, text in enumerate(texts):
        ids[row, longest - len(text) :] = text
        mask[row, longest - len(text) :] = 1
    return ids, mask


def take_rows(past: Past, rows: np.ndarray) -> Past:
    """Return the keys and values of some rows of a batch, in their order."""
    return [(np.asarray(key)[rows], np.asarray(value)[rows]) for key, value in past]
