"""The memory of a fused or static Transformer: a cache with room for a window, filled in place."""

from collections.abc import Sequence

import numpy as np

from serving.bundle.records import Interface
from serving.runtime.session import Bound, Session

CHUNK = 128  # tokens of a prompt read at once; each costs a row of logits as long as the vocabulary


class SharedMemory:
    """A `serving.text.memory.Memory` of a graph that writes into the cache it reads.

    The graph is tied once to the arrays of a step of one token, which then costs hardly more than
    the graph itself. Rows are padded on the right, so each has its own length.

    Args:
        session: a graph of flavour `fused` or `static`.
        interface: its inputs and outputs.
        count: texts B.
        context: most tokens that the model sees at once.
    """

    def __init__(self, session: Session, interface: Interface, count: int, context: int):
        self._session, self._context = session, context
        ports = [port for port in interface.inputs if port.name.startswith("past_key_values.")]
        self._past = [port.name for port in ports]
        self._present = [port.name for port in interface.outputs if port.name != "logits"]
        self._vocabulary = interface.outputs[0].axes[-1]
        self._width = interface.inputs[1].axes[1]  # of the mask, a number where it is fixed
        shapes = [(count, port.axes[1], context, port.axes[3]) for port in ports]
        # What lies beyond a row's length is never read; zeros, as it must not be NaN.
        self._begin([np.zeros(shape, np.float32) for shape in shapes], [0] * count)

    def _begin(self, cache: list[np.ndarray], lengths: list[int]) -> None:
        """Take a cache `(B, heads, context, head_size)` for each input, so far filled."""
        count = len(lengths)
        self._arrays, self._cache = cache, [self._session.hold(each) for each in cache]
        self._lengths, self._longest = lengths, max(lengths)
        self._ids, self._places = np.zeros((2, count, 1), np.int64)
        # As wide as the cache at every step, so that its shape need never be told again.
        self._mask = (np.arange(self._context) < np.array(lengths)[:, None]).astype(np.int64)
        logits = np.zeros((count, 1, self._vocabulary), np.float32)
        self._last = logits[:, 0]
        self._step = self._bound(self._ids, self._mask, self._places, logits, replay=True)

    def _bound(
        self,
        ids: np.ndarray,
        mask: np.ndarray,
        places: np.ndarray,
        logits: np.ndarray,
        row: int | None = None,
        replay: bool = False,
    ) -> Bound:
        cache = self._cache if row is None else [each[row : row + 1] for each in self._arrays]
        tokens = {"input_ids": ids, "attention_mask": mask, "position_ids": places}
        inputs = tokens | dict(zip(self._past, cache, strict=True))
        outputs = {"logits": logits} | dict(zip(self._present, cache, strict=True))
        return self._session.bind(inputs, outputs, replay)

    @property
    def full(self) -> bool:
        return self._longest >= self._context

    def read(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        if max(map(len, texts)) > 1:
            return self._read_many(texts)
        for row, (token,) in enumerate(texts):
            place = self._lengths[row]
            self._ids[row, 0], self._places[row, 0], self._mask[row, place] = token, place, 1
            self._lengths[row] = place + 1
        self._longest += 1
        self._step.run()
        return self._last

    def _read_many(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        """Read the beginning of every text, or more of the one that there is."""
        if len(texts) == 1:
            logits = self._read_chunks(texts[0])
        elif max(map(len, texts)) > CHUNK and self._session.device == "cpu":
            # One after the other, since a fused graph reads on in a batch of one only.
            logits = [self._read_chunks(text, row)[0] for row, text in enumerate(texts)]
        else:
            logits = self._read_chunk(texts)
        self._longest = max(self._lengths)
        return np.asarray(logits)

    def read_each(self, text: Sequence[int]) -> np.ndarray:
        logits = self._read_chunk([text], every=True)
        self._longest = max(self._lengths)
        return logits

    def _read_chunks(self, text: Sequence[int], row: int | None = None) -> np.ndarray:
        """Read one text piece by piece, the only one or that of a row."""
        for begin in range(0, len(text), CHUNK):
            logits = self._read_chunk([text[begin : begin + CHUNK]], row)
        return logits

    def _read_chunk(
        self, texts: Sequence[Sequence[int]], row: int | None = None, every: bool = False
    ) -> np.ndarray:
        """Read on in all rows or one, and return the logits after the last token of each.

        Or after every token, of one text.
        """
        rows = slice(None) if row is None else slice(row, row + 1)
        new, before = np.array(list(map(len, texts))), np.array(self._lengths[rows])
        ids = np.zeros((len(texts), new.max()), np.int64)
        for index, text in enumerate(texts):
            ids[index, : len(text)] = text
        lengths = before + new
        places = np.minimum(before[:, None] + np.arange(new.max()), self._context - 1)
        width = self._width if isinstance(self._width, int) else lengths.max()
        mask = (np.arange(width) < lengths[:, None]).astype(np.int64)
        logits = np.empty((*ids.shape, self._vocabulary), np.float32)
        self._bound(ids, mask, places, logits, row).run()
        self._lengths[rows] = lengths.tolist()
        self._mask[rows, : mask.shape[1]] = mask
        return logits[0] if every else logits[np.arange(len(texts)), new - 1]

    def keep(self, rows: np.ndarray) -> None:
        going = [self._lengths[row] for row in rows]
        self._begin([each.numpy()[rows] for each in self._cache], going)

    def truncate(self, length: int) -> None:
        self._lengths, self._longest = [length] * len(self._lengths), length
        self._mask[:, length:] = 0

    def forget(self) -> None:
        self.truncate(0)
