"""Rows of unequal length in one array."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Self

import numpy as np


class Ragged(NamedTuple):
    """Rows of whole numbers, one behind the other.

    Attributes:
        values: of all rows, int32 `(total,)`.
        bounds: where each row begins, and where the last one ends, int64 `(rows + 1,)`.

    Example:
        >>> ragged = Ragged.of([[1, 2], [], [3]])
        >>> ragged.taken(np.array([2, 0])).rows()
        [[3], [1, 2]]
    """

    values: np.ndarray
    bounds: np.ndarray

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]]) -> Self:
        """Gather rows."""
        rows = [np.asarray(row, np.int32) for row in rows]
        bounds = np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)])
        values = np.concatenate(rows) if rows else np.zeros(0, np.int32)
        return cls(values.astype(np.int32), bounds.astype(np.int64))

    @classmethod
    def joined(cls, parts: "Sequence[Ragged]") -> "Ragged":
        """Put the rows of several behind one another."""
        ends = np.cumsum([0, *(len(part.values) for part in parts)])
        bounds = [part.bounds[1:] + end for part, end in zip(parts, ends, strict=False)]
        values = np.concatenate([part.values for part in parts])
        return cls(values, np.concatenate([[0], *bounds]).astype(np.int64))

    def __len__(self) -> int:
        return len(self.bounds) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Of the rows, int64 `(rows,)`."""
        return np.diff(self.bounds)

    def taken(self, rows: np.ndarray) -> "Ragged":
        """Return some of the rows, in their order."""
        lengths = self.lengths[rows]
        bounds = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        within = np.arange(bounds[-1]) - np.repeat(bounds[:-1], lengths)
        return Ragged(self.values[np.repeat(self.bounds[rows], lengths) + within], bounds)

    def merged(self, groups: np.ndarray) -> "Ragged":
        """Join neighbouring rows: `groups` says which row each group begins with, and the end."""
        return Ragged(self.values, self.bounds[groups])

    def framed(self, before: Sequence[int], after: Sequence[int]) -> "Ragged":
        """Return the rows with values before each and after it.

        >>> Ragged.of([[5], [6, 7]]).framed([1], [2, 3]).rows()
        [[1, 5, 2, 3], [1, 6, 7, 2, 3]]
        """
        more = len(before) + len(after)
        bounds = self.bounds + more * np.arange(len(self.bounds))
        values = np.empty(bounds[-1], np.int32)
        within = np.ones(len(values), bool)
        for starts, part in ((bounds[:-1], before), (bounds[1:] - len(after), after)):
            for offset, value in enumerate(part):
                values[starts + offset], within[starts + offset] = value, False
        values[within] = self.values
        return Ragged(values, bounds)

    def rows(self) -> list[list[int]]:
        """Return the rows as lists."""
        starts, ends = self.bounds[:-1].tolist(), self.bounds[1:].tolist()
        return [self.values[start:end].tolist() for start, end in zip(starts, ends, strict=True)]
