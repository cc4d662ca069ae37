"""What a model has read of a batch of texts, and how it reads on.

`Decoding` asks a memory for the logits that follow each text, and knows nothing of masks, positions
and caches. `GrowingMemory` works with any `Step`; a runtime may have a faster one of its own.

The logits of a token depend, in the last bits, on how it is read: attention multiplies a single row
by other instructions than several, which add up in another order. That is 1e-5 of a logit; where
activations are rounded to 8 bits and one of them goes the other way, it is 1e-2. So that a text
depends on its prompt and its seed alone, there is one way to read each token: those of a prompt
together, however many, and those that were drawn one by one. What was read in the one way is never
taken for what would be read in the other. All else, on the CPU, is the same to the last bit however
many texts or tokens are read at once; `tests/serving/families/test_promise.py` holds it.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from itertools import takewhile
from typing import Any, Protocol

import numpy as np

Past = list[tuple[Any, Any]]


class Step(Protocol):
    """One call of a decoder.

    Args:
        input_ids: int64 `(B, T)`.
        attention_mask: int64 `(B, S + T)`: 1 for tokens, 0 for padding.
        position_ids: int64 `(B, T)`: the position of each token in its text.
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


class Memory(ABC):
    """What has been read of a batch of texts; at first nothing.

    It knows what it holds, and a token counts once it has been read: after an interruption the next
    text begins from there. Arrays that it returns are valid until the next call.

    Args:
        count: texts B.
        context: most tokens of a text that the model sees at once.

    Attributes:
        texts: the tokens that are held of each.
        adapter: of the model that has read them; what one has read means nothing to another.
        codes: of styles; one that a text begins with stays before what is kept of it.
    """

    adapter: str | None = None
    codes: Collection[int] = ()
    reads_rows_alone = True  # whether some texts can be read anew while the others stay

    def __init__(self, count: int, context: int):
        self.context = context
        self.texts: list[list[int]] = [[] for _ in range(count)]
        self._together = 0  # tokens of a single text, from its beginning, that were read together

    def begin(self, prompts: Sequence[Sequence[int]]) -> np.ndarray:
        """Read texts from their beginning, and return the logits after each, `(B, V)`.

        What a single text has in common with the prompt before is not read again.

        Args:
            prompts: one token to a window of them for each text.
        """
        self.truncate(self._common(prompts[0]) if len(prompts) == 1 else 0)
        unread = [prompt[len(held) :] for held, prompt in zip(self.texts, prompts, strict=True)]
        logits = self._read(range(len(prompts)), unread)
        self._together = len(prompts[0])
        return logits

    def _common(self, prompt: Sequence[int]) -> int:
        """Return how many tokens need not be read again: two are left, to be read together."""
        held = self.texts[0][: max(0, min(self._together, len(prompt) - 2))]
        pairs = zip(held, prompt, strict=False)
        return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

    def step(self, ids: Sequence[int]) -> np.ndarray:
        """Read one more token of each text, and return the logits after it, `(B, V)`.

        A text that has filled the window goes on as if it had begun with its newer half.
        """
        if max(map(len, self.texts)) >= self.context:
            return self._slide(ids)
        logits = self._step(ids)
        for text, token in zip(self.texts, ids, strict=True):
            text.append(token)
        return logits

    def _slide(self, ids: Sequence[int]) -> np.ndarray:
        """Read a token of each text, and those that are full anew from the middle of the window."""
        windows = [[*text, token] for text, token in zip(self.texts, ids, strict=True)]
        full = [row for row, window in enumerate(windows) if len(window) > self.context]
        anew = full if self.reads_rows_alone else list(range(len(windows)))
        unread = [self._newer(windows[row]) if row in full else windows[row] for row in anew]
        self._truncate(anew, 0)
        if len(anew) == len(windows):
            logits = self._read(anew, unread)
        else:
            logits = np.array(self.step(ids))
            self._truncate(anew, 0)
            logits[anew] = self._read(anew, unread)
        self._together = len(self.texts[0])
        return logits

    def _newer(self, window: list[int]) -> list[int]:
        """Return what is kept of a text that is full, its newest token included: here half."""
        return newest(window, max(1, self.context // 2), self.codes)

    @abstractmethod
    def read_each(self, tokens: Sequence[int]) -> np.ndarray:
        """Read on in the one text that there is, and return the logits after each, `(T, V)`."""

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some of the texts, in rising order."""
        self._keep(rows)
        self.texts, self._together = [self.texts[row] for row in rows], 0

    def truncate(self, length: int) -> None:
        """Forget all but the first tokens of every text."""
        self._truncate(range(len(self.texts)), length)

    # --- what each kind of memory does in its own way ---

    @abstractmethod
    def _read(self, rows: Sequence[int], texts: Sequence[Sequence[int]]) -> np.ndarray:
        """Read on in all texts, or anew in some, and return the logits after each, `(rows, V)`.

        What has been read is added to `texts`.
        """

    @abstractmethod
    def _step(self, ids: Sequence[int]) -> np.ndarray:
        """Read one token of each text, and return the logits after it, `(B, V)`.

        There is room for it. What is returned for a text of which nothing is held means nothing.
        """

    @abstractmethod
    def _keep(self, rows: Sequence[int]) -> None:
        """Keep what belongs to some of the texts."""

    def _truncate(self, rows: Sequence[int], length: int) -> None:
        """Forget all but the first tokens of some texts."""
        for row in rows:
            del self.texts[row][length:]
        self._together = min(self._together, length)


def newest(text: Sequence[int], count: int, codes: Collection[int] = ()) -> list[int]:
    """Return the newest tokens of a text, of which a code that it begins with stays the first.

    Args:
        text: its tokens.
        count: of those that are returned at most.
        codes: of styles.

    Example:
        >>> newest([9, 1, 2, 3], 2), newest([9, 1, 2, 3], 2, codes={9})
        ([2, 3], [9, 3])
    """
    if len(text) > count > 1 and text[0] in codes:
        return [text[0], *text[1 - count :]]
    return list(text[-count:])


def take_rows(past: Past, rows: Sequence[int] | np.ndarray) -> Past:
    """Return the keys and values of some rows of a batch, in their order."""
    return [(np.asarray(key)[rows], np.asarray(value)[rows]) for key, value in past]
