"""The memory of any decoder: its keys and values grow by each token."""

from collections.abc import Sequence

import numpy as np

from serving.text.memory import Memory, Past, Step, take_rows
from serving.text.tokenizer import Tokenizer


class GrowingMemory(Memory):
    """The `Memory` of any `Step`: texts of one length are read together, and none are padded.

    Padding would move the tokens of a text to where a processor adds them up in another order.

    Args:
        model: the decoder.
        count: texts B.
        context: most tokens of a text that the model sees at once.

    Example:
        >>> def step(ids, mask, positions, past):
        ...     return np.eye(4)[ids], []
        >>> GrowingMemory(step, 2, context=8).begin([[1, 2, 3], [0]]).argmax(-1)
        array([3, 0])
    """

    def __init__(self, model: Step, count: int, context: int):
        super().__init__(count, context)
        self._model = model
        self._past: dict[tuple[int, ...], Past] = {}  # by rows, all of one length

    def read_each(self, tokens: Sequence[int]) -> np.ndarray:
        logits: np.ndarray = self._run((0,), [tokens])[0]
        self.texts[0].extend(tokens)
        return logits

    def _read(self, rows: Sequence[int], texts: Sequence[Sequence[int]]) -> np.ndarray:
        unread = dict(zip(rows, texts, strict=True))
        logits: dict[int, np.ndarray] = {}
        for length in dict.fromkeys(map(len, texts)):
            group = tuple(row for row in rows if len(unread[row]) == length)
            found = self._run(group, [unread[row] for row in group])[:, -1]
            logits |= dict(zip(group, found, strict=True))
            for row in group:
                self.texts[row].extend(unread[row])
        return np.stack([logits[row] for row in rows])

    def _step(self, ids: Sequence[int]) -> np.ndarray:
        groups = list(self._past)
        found = [self._run(group, [[ids[row]] for row in group])[:, -1] for group in groups]
        if len(groups) == 1 and len(groups[0]) == len(ids):
            return found[0]
        logits = np.zeros((len(ids), found[0].shape[-1]), found[0].dtype)
        for group, own in zip(groups, found, strict=True):
            logits[list(group)] = own
        return logits

    def _run(self, rows: tuple[int, ...], texts: Sequence[Sequence[int]]) -> np.ndarray:
        """Read on in rows of one length, and return the logits after each token, `(rows, T, V)`."""
        ids, held = np.array(texts, np.int64), len(self.texts[rows[0]])
        mask = np.ones((len(ids), held + ids.shape[1]), np.int64)
        positions = np.tile(np.arange(held, mask.shape[1]), (len(ids), 1))
        logits, self._past[rows] = self._model(ids, mask, positions, self._past.get(rows))
        return np.asarray(logits)

    def _keep(self, rows: Sequence[int]) -> None:
        renamed = {row: index for index, row in enumerate(rows)}
        past = {}
        for group, own in self._past.items():
            going = [index for index, row in enumerate(group) if row in renamed]
            if going:
                past[tuple(renamed[group[index]] for index in going)] = take_rows(own, going)
        self._past = past

    def _truncate(self, rows: Sequence[int], length: int) -> None:
        super()._truncate(rows, length)
        if length:
            self._past = {
                group: [
                    (np.asarray(keys)[:, :, :length], np.asarray(values)[:, :, :length])
                    for keys, values in past
                ]
                for group, past in self._past.items()
            }
        else:
            self._past = {group: past for group, past in self._past.items() if group[0] not in rows}


def drawable(step: Step, tokenizer: Tokenizer) -> Step:
    """Return a network whose logits are those of tokens that the tokenizer has."""

    def drawing(
        input_ids: np.ndarray,
        attention_mask: np.ndarray,
        position_ids: np.ndarray,
        past: Past | None,
    ) -> tuple[np.ndarray, Past]:
        logits, present = step(input_ids, attention_mask, position_ids, past)
        return tokenizer.drawable(np.asarray(logits)), present

    return drawing
