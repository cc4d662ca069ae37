"""The memory of a fused or static Transformer: a cache with room for a window, filled in place."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from serving.bundle.records import Interface
from serving.runtime.adapted import AdaptedSession
from serving.runtime.session import Bound, Session
from serving.text.memory import Memory
from serving.text.slots import SeparateSlots, Slots

CHUNK = 128  # tokens of a prompt read at once; each costs a row of logits as long as the vocabulary
TOGETHER = 512  # tokens of several texts that are read at once, each of which costs as much
ROOM = 256  # tokens that there is room for at first, where the cache may be of any length,
LEAST = 64  # which several texts share, but each has at least so many


class SharedMemory(Memory):
    """A `serving.text.memory.Memory` of a graph that writes into the cache it reads.

    The graph is tied once to the arrays of a step of one token, which then costs hardly more than
    the graph itself. Rows are padded on the right, so each has its own length. What lies beyond it,
    an interrupted read included, is written over before it is read. The cache grows as texts do, by
    doubling, up to the window, and so does the memory that it takes: a window may be very long.

    Args:
        session: a graph of form `fused` or `static`, with an adapter if it is given one.
        interface: its inputs and outputs.
        count: texts B.
        context: most tokens that the model sees at once.
        drawable: takes logits and returns those of tokens that can be drawn; all unless given.
    """

    def __init__(
        self,
        session: Session | AdaptedSession,
        interface: Interface,
        count: int,
        context: int,
        drawable: Callable[[np.ndarray], np.ndarray] | None = None,
    ):
        super().__init__(count, context)
        self._drawable = drawable or (lambda logits: logits)
        self._session, self.reads_rows_alone = session, not session.copies
        ports = [port for port in interface.inputs if port.name.startswith("past_key_values.")]
        self._past = [port.name for port in ports]
        self._present = [port.name for port in interface.outputs if port.name != "logits"]
        self._vocabulary = int(interface.outputs[0].axes[-1])
        self._width = interface.inputs[1].axes[1]  # of the mask, a number where it is fixed
        room = min(context, max(LEAST, ROOM // count))
        room = context if isinstance(self._width, int) else room
        shapes = [(count, int(port.axes[1]), room, int(port.axes[3])) for port in ports]
        # What lies beyond a row's length is never read; zeros, as it must not be NaN.
        self._tie([np.zeros(shape, np.float32) for shape in shapes], [0] * count)

    def _tie(self, cache: list[np.ndarray], lengths: list[int]) -> None:
        """Take a cache `(B, heads, room, head_size)` for each input, so far filled."""
        count, self._room = len(lengths), cache[0].shape[2]
        self._arrays, self._cache = cache, [self._session.hold(each) for each in cache]
        self._ids, self._positions = np.zeros((2, count, 1), np.int64)
        # As wide as the cache at every step, so that its shape need never be told again.
        self._mask = (np.arange(self._room) < np.array(lengths)[:, None]).astype(np.int64)
        logits = np.zeros((count, 1, self._vocabulary), np.float32)
        self._logits = logits[:, 0]
        self._bound_step = self._bound(self._ids, self._mask, self._positions, logits, replay=True)

    def _make_room(self, length: int) -> None:
        """Let the cache grow where it has no room for texts of so many tokens."""
        if length <= self._room:
            return
        room = min(self.context, max(length, 2 * self._room))
        cache = []
        for each in self._cache:
            held = each.numpy()  # (B, heads, room, head_size)
            cache.append(np.zeros((*held.shape[:2], room, held.shape[3]), np.float32))
            cache[-1][:, :, : self._room] = held
        self._tie(cache, [len(text) for text in self.texts])

    def _bound(
        self,
        ids: np.ndarray,
        mask: np.ndarray,
        positions: np.ndarray,
        logits: np.ndarray,
        rows: slice | None = None,
        replay: bool = False,
    ) -> Bound:
        cache = self._cache if rows is None else [each[rows] for each in self._arrays]
        tokens = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
        inputs = tokens | dict(zip(self._past, cache, strict=True))
        outputs = {"logits": logits} | dict(zip(self._present, cache, strict=True))
        return self._session.bind(inputs, outputs, replay)

    def _step(self, ids: Sequence[int]) -> np.ndarray:
        self._make_room(1 + _longest(self.texts))
        for row, token in enumerate(ids):
            position = len(self.texts[row])
            self._ids[row, 0], self._positions[row, 0] = token, position
            self._mask[row, position] = 1
        self._bound_step.run()
        return self._drawable(self._logits)

    def _read(self, rows: Sequence[int], texts: Sequence[Sequence[int]]) -> np.ndarray:
        if len(texts) == len(self.texts) and _longest(texts) == 1:
            return self.step([token for [token] in texts])  # which all is tied for
        if len(self.texts) == 1:
            return self._read_chunks(texts[0])
        apart = len(texts) < len(self.texts) or _longest(texts) > CHUNK
        if self.reads_rows_alone and (apart or len(texts) * _longest(texts) > TOGETHER):
            # One after the other, since a fused graph reads on in a batch of one only.
            pairs = zip(rows, texts, strict=True)
            return np.concatenate([self._read_chunks(text, row) for row, text in pairs])
        return self._read_chunk(texts)

    def read_each(self, tokens: Sequence[int]) -> np.ndarray:
        return self._read_chunk([tokens], every=True)

    def _read_chunks(self, text: Sequence[int], row: int | None = None) -> np.ndarray:
        """Read one text piece by piece, the only one or that of a row."""
        for chunk in _chunks(text):
            logits = self._read_chunk([chunk], row)
        return logits

    def _read_chunk(
        self, texts: Sequence[Sequence[int]], row: int | None = None, every: bool = False
    ) -> np.ndarray:
        """Read on in all rows or one, and return the logits after the last token of each.

        Or after every token, of one text.
        """
        rows = range(len(self.texts)) if row is None else [row]
        held = np.array([len(self.texts[row]) for row in rows])
        new = np.array([len(text) for text in texts])
        ids = np.zeros((len(texts), new.max()), np.int64)
        for index, text in enumerate(texts):
            ids[index, : len(text)] = text
        lengths = held + new
        self._make_room(int(lengths.max()))
        positions = np.minimum(held[:, None] + np.arange(new.max()), self.context - 1)
        width = self._width if isinstance(self._width, int) else lengths.max()
        mask = (np.arange(width) < lengths[:, None]).astype(np.int64)
        logits: np.ndarray = np.empty((*ids.shape, self._vocabulary), np.float32)
        only = None if row is None else slice(row, row + 1)
        self._bound(ids, mask, positions, logits, only).run()
        for row, text, length in zip(rows, texts, lengths, strict=True):
            self._mask[row, :length] = 1
            self.texts[row].extend(text)
        return self._drawable(logits[0] if every else logits[np.arange(len(texts)), new - 1])

    def _keep(self, rows: Sequence[int]) -> None:
        lengths = [len(self.texts[row]) for row in rows]
        self._tie([each.numpy()[list(rows)] for each in self._cache], lengths)

    def _truncate(self, rows: Sequence[int], length: int) -> None:
        super()._truncate(rows, length)
        for row in rows:
            self._mask[row, length:] = 0


class SharedSlots(Slots):
    """Slots that are rows of one `SharedMemory`, whose steps the graph computes together.

    Args:
        memory: that `reads_rows_alone`, with a row for each slot.
    """

    def __init__(self, memory: SharedMemory):
        super().__init__(len(memory.texts), memory.context, memory.codes)
        self._memory = memory
        self._steps: dict[int, Bound] = {}  # of the first rows, by their number
        self._tied = memory._arrays  # that they are of

    def _read(self, prompt: Sequence[int]) -> Iterator[np.ndarray | None]:
        memory = self._memory
        memory._truncate([self._begun], 0)
        *chunks, last = _chunks(prompt)
        for chunk in chunks:
            memory._read_chunk([chunk], self._begun)
            yield None
        yield memory._read_chunk([last], self._begun)[0]

    def step(self, tokens: Sequence[int]) -> np.ndarray:
        memory, count = self._memory, len(tokens)
        windows = {
            row: [*memory.texts[row], token]
            for row, token in enumerate(tokens)
            if len(memory.texts[row]) >= self.context
        }
        memory._truncate(list(windows), 0)
        memory._make_room(1 + _longest(memory.texts[:count]))
        for row, token in enumerate(tokens):
            position = len(memory.texts[row])
            memory._ids[row, 0], memory._positions[row, 0] = token, position
            memory._mask[row, position] = 1
        self._step(count).run()
        for row, token in enumerate(tokens):
            memory.texts[row].append(token)
        logits = np.array(memory._drawable(memory._logits[:count]))
        for row, window in windows.items():  # go on as if they had begun with their newer half
            memory._truncate([row], 0)
            logits[row] = memory._read_chunks(memory._newer(window), row)[0]
        return logits

    def _step(self, count: int) -> Bound:
        """Return what reads a token in each of the first rows."""
        if self._tied is not self._memory._arrays:  # it has grown
            self._steps, self._tied = {}, self._memory._arrays
        if count not in self._steps:
            memory, rows = self._memory, slice(count)
            arrays = (memory._ids, memory._mask, memory._positions)
            ids, mask, positions = (each[rows] for each in arrays)
            logits = memory._logits[rows, None]
            self._steps[count] = memory._bound(ids, mask, positions, logits, rows, replay=True)
        return self._steps[count]

    def _move(self, source: int, target: int) -> None:
        memory = self._memory
        length = len(memory.texts[source])
        for each in memory._arrays:  # (slots, heads, context, head_size)
            each[target, :, :length] = each[source, :, :length]
        memory._mask[target] = memory._mask[source]
        memory.texts[target] = memory.texts[source]
        memory.texts[source] = []
        memory._mask[source] = 0


def slots(new_memory: Callable[[int], Memory], count: int) -> Slots:
    """Return slots for so many texts: rows of one memory, where it reads them alone.

    Args:
        new_memory: of a language model, see `serving.text.text.TextModel`.
        count: texts at most.
    """
    memory = new_memory(count)
    if isinstance(memory, SharedMemory) and memory.reads_rows_alone:
        return SharedSlots(memory)
    return SeparateSlots(new_memory, count)


def _chunks(text: Sequence[int]) -> Iterator[Sequence[int]]:
    """Yield a text in pieces, none of one token but a text that has no more."""
    ends = [*range(CHUNK, len(text) - 1, CHUNK), len(text)]
    for begin, end in zip([0, *ends], ends, strict=False):
        yield text[begin:end]


def _longest(texts: Sequence[Sequence[int]]) -> int:
    return max(map(len, texts))
