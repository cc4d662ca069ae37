"""The memory of a fused or static Transformer: a cache with room for a window, filled in place."""

from collections.abc import Sequence

import numpy as np

from serving.bundle import Interface
from serving.session import Bound, Session


class SharedMemory:
    """A `zoo.language.memory.Memory` of a graph that writes into the cache it reads.

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
        self._begin([np.zeros(shape, np.float32) for shape in shapes], np.zeros(count, np.int64))

    def _begin(self, cache: list[np.ndarray], lengths: np.ndarray) -> None:
        """Take a cache `(B, heads, context, head_size)` for each input, so far filled."""
        count = len(lengths)
        self._cache = [self._session.hold(each) for each in cache]
        self._lengths, self._rows = lengths, np.arange(count)
        self._longest = int(lengths.max())
        self._ids, self._places = np.zeros((2, count, 1), np.int64)
        # As wide as the cache at every step, so that its shape need never be told again.
        self._mask = (np.arange(self._context) < lengths[:, None]).astype(np.int64)
        self._logits = np.zeros((count, 1, self._vocabulary), np.float32)
        self._step = self._bound(self._ids, self._mask, self._places, self._logits, replay=True)

    def _bound(
        self,
        ids: np.ndarray,
        mask: np.ndarray,
        places: np.ndarray,
        logits: np.ndarray,
        replay: bool = False,
    ) -> Bound:
        tokens = {"input_ids": ids, "attention_mask": mask, "position_ids": places}
        inputs = tokens | dict(zip(self._past, self._cache, strict=True))
        outputs = {"logits": logits} | dict(zip(self._present, self._cache, strict=True))
        return self._session.bind(inputs, outputs, replay)

    @property
    def full(self) -> bool:
        return self._longest >= self._context

    def read(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        if not self._longest or max(map(len, texts)) > 1:
            return self._read_many(texts)
        self._ids[:] = texts
        self._places[:, 0] = self._lengths
        self._mask[self._rows, self._lengths] = 1
        self._step.run()
        self._lengths += 1
        self._longest += 1
        return self._logits[:, 0]

    def _read_many(self, texts: Sequence[Sequence[int]]) -> np.ndarray:
        """Read the beginning of every text, or more of the one that there is."""
        new = np.array([len(text) for text in texts])
        lengths, longest = self._lengths + new, int(new.max())
        ids = np.zeros((len(texts), longest), np.int64)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = text
        places = np.minimum(self._lengths[:, None] + np.arange(longest), self._context - 1)
        width = self._width if isinstance(self._width, int) else lengths.max()
        mask = (np.arange(width) < lengths[:, None]).astype(np.int64)
        logits = np.empty((*ids.shape, self._vocabulary), np.float32)
        self._bound(ids, mask, places, logits).run()
        self._lengths[:], self._longest = lengths, int(lengths.max())
        self._mask[:, : mask.shape[1]] = mask
        return logits[self._rows, new - 1]

    def keep(self, rows: np.ndarray) -> None:
        self._begin([each.numpy()[rows] for each in self._cache], self._lengths[rows])

    def truncate(self, length: int) -> None:
        self._lengths[:] = self._longest = length
        self._mask[:, length:] = 0

    def forget(self) -> None:
        self.truncate(0)
