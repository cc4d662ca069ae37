"""Texts that come and go while others are written: each begins in a slot, and leaves it at its end.

The slots of texts that are written on are the first ones, so that a graph can compute them as one
batch; who begins takes the next, and where somebody leaves, others move up. Each text has the same
logits as alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence

import numpy as np

from serving.text.memory import Memory, newest


class Slots(ABC):
    """What has been read of the texts in the making.

    Args:
        count: slots.
        context: most tokens of a text that the model sees at once.
        codes: of styles, as of a memory.
    """

    def __init__(self, count: int, context: int, codes: Collection[int] = ()):
        self.count, self.context, self._codes = count, context, codes
        self._begun = 0  # the slot of the text whose prompt is being read

    def begin(self, slot: int, prompt: Sequence[int]) -> Iterator[np.ndarray | None]:
        """Read a prompt piece by piece, others being written meanwhile; of a long one the newest.

        One at a time; where it moves, it is read on in its new slot.

        Yields:
            None after each piece, and after the last the logits `(V,)`.
        """
        self._begun = slot
        return self._read(newest(prompt, self.context, self._codes))

    @abstractmethod
    def _read(self, prompt: Sequence[int]) -> Iterator[np.ndarray | None]:
        """Read a prompt in the slot that is `_begun` at each piece."""

    @abstractmethod
    def step(self, tokens: Sequence[int]) -> np.ndarray:
        """Read one more token in each of the first slots, and return the logits `(slots, V)`."""

    def move(self, source: int, target: int) -> None:
        """Let a text go on in another slot, whose own has ended."""
        if self._begun == source:
            self._begun = target
        self._move(source, target)

    @abstractmethod
    def _move(self, source: int, target: int) -> None:
        """Take what was read of a text to another slot."""


class SeparateSlots(Slots):
    """Slots with a memory of their own each, of any model; steps are taken one after the other.

    Args:
        new_memory: makes the memory of so many texts.
        count: slots.
    """

    def __init__(self, new_memory: Callable[[int], Memory], count: int):
        self._memories = [new_memory(1)]
        super().__init__(count, self._memories[0].context, self._memories[0].codes)
        self._new = new_memory

    def _read(self, prompt: Sequence[int]) -> Iterator[np.ndarray | None]:
        while len(self._memories) <= self._begun:
            self._memories.append(self._new(1))
        yield np.array(self._memories[self._begun].begin([prompt])[0])

    def step(self, tokens: Sequence[int]) -> np.ndarray:
        # Copied, since a memory's arrays are its own.
        pairs = zip(self._memories, tokens, strict=False)
        return np.concatenate([np.array(memory.step([token])) for memory, token in pairs])

    def _move(self, source: int, target: int) -> None:
        memories = self._memories
        memories[source], memories[target] = memories[target], memories[source]
