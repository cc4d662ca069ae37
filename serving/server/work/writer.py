"""Writes many texts at once: they join and leave at every step, and none waits for another."""

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np

from serving.filters.filters import Filters
from serving.runtime.interruption import interruptible
from serving.server.errors import closing, too_late
from serving.server.work.draft import Draft
from serving.server.work.waiting import Ticket, Waiting
from serving.text.slots import Slots


class Writer:
    """The thread that writes the texts of one model.

    At each turn, a piece of one new prompt is read, and one token of every text is drawn. So a long
    prompt holds nobody up for longer than a piece takes.

    Args:
        slots: what has been read of the texts.
        told: is called after each turn, with the numbers of tokens that were drawn and of texts
            that go on, and its seconds.
        post: takes the news of all drafts there, when a turn has no more of them: at once, or with
            those of the next turn, where that takes no longer than this one.
        clock: gives the time that deadlines are of.
        filters: of what texts are written from, and of what is written.
    """

    def __init__(
        self,
        slots: Slots,
        told: Callable[[int, int, float], None] = lambda drawn, texts, seconds: None,
        post: Callable[[bool], None] = lambda at_once: None,
        clock: Callable[[], float] = time.monotonic,
        filters: Filters | None = None,
    ) -> None:
        self._filters = filters
        self._slots, self._told, self._post, self._clock = slots, told, post, clock
        self._changed = threading.Condition()
        self._waiting: Waiting[Draft] = Waiting()
        self._closed = False
        self._writing: list[Draft] = []  # of the first slots
        self._reading: tuple[Draft, Iterator[np.ndarray | None]] | None = None  # of the next
        self._thread: threading.Thread | None = None

    def start(self, name: str) -> None:
        """Begin to write, in a thread of that name."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, draft: Draft) -> None:
        """Have a text written, as soon as there is a slot."""
        if self._filters is not None:
            draft.watched(self._filters)
        with self._changed:
            if self._closed:
                raise closing()
            draft.wait()
            self._waiting.add(Ticket(draft, deadline=draft.deadline))
            self._changed.notify()

    def close(self) -> None:
        """Write no more; whoever waits is told so."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def join(self) -> None:
        """Wait until its thread has ended, after `close`."""
        if self._thread is not None:
            self._thread.join()

    @property
    def busy(self) -> bool:
        """Whether any text waits, or is being written."""
        return bool(self._writing or self._reading or len(self._waiting))

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self.busy and not self._closed:
                    self._changed.wait()
                if self._closed:
                    break
            self.turn()
        with self._changed:
            for ticket in self._waiting.take(len(self._waiting)):
                ticket.item.fail(closing())
        self._fail_all(closing())
        self._post(True)

    def turn(self) -> None:
        """Drop who is not waited for, read a piece of a prompt, and draw a token of each text."""
        self._drop()
        began = self._clock()
        try:
            drawn = self._step() + self._read()
        except Exception as error:  # of the graph; the texts that it was for are lost
            self._fail_all(error)
            drawn = 0
        self._told(drawn, len(self._writing), self._clock() - began)
        self._post(not self._writing or self._reading is not None or len(self._waiting) > 0)

    def _drop(self) -> None:
        now = self._clock()
        with self._changed:
            late = self._waiting.expired(now)
            left = self._waiting.unwanted(lambda draft: draft.wanted.stopped)
        for ticket in late:
            ticket.item.fail(too_late())
        for ticket in left:
            ticket.item.fail(_reason(ticket.item, now))
        for slot in reversed(range(len(self._writing))):
            draft = self._writing[slot]
            if draft.wanted.stopped or draft.deadline <= now:
                self._leave(slot)
                draft.fail(_reason(draft, now))
        if self._reading is not None:
            draft = self._reading[0]
            if draft.wanted.stopped or draft.deadline <= now:
                self._reading = None
                draft.fail(_reason(draft, now))

    def _leave(self, slot: int) -> None:
        """Free a slot: the last text moves there, and the one that begins moves up."""
        last = len(self._writing) - 1
        if slot != last:
            self._slots.move(last, slot)
            self._writing[slot] = self._writing[last]
        del self._writing[last]
        if self._reading is not None:
            self._slots.move(last + 1, last)

    def _step(self) -> int:
        """Draw the next token of every text; return how many there were."""
        count = len(self._writing)
        if not count:
            return 0
        logits = self._slots.step([draft.tokens[-1] for draft in self._writing])
        for slot in reversed(range(count)):
            if not self._take(self._writing[slot], logits[slot]):
                self._leave(slot)
        return count

    def _read(self) -> int:
        """Read a piece of the prompt of whoever is next; return how many tokens were drawn."""
        if self._reading is None:
            if len(self._writing) >= self._slots.count:
                return 0
            with self._changed:
                taken = self._waiting.take(1)
            if not taken:
                return 0
            draft = taken[0].item
            draft.begin()
            self._reading = draft, self._slots.begin(len(self._writing), draft.order.prompt)
        draft, pieces = self._reading
        try:
            with interruptible(draft.wanted):
                logits = next(pieces)
        except Exception as error:  # of a piece of this prompt, which no other text shares
            self._reading = None
            draft.fail(error)
            return 0
        if logits is None:
            return 0
        self._reading = None
        if self._take(draft, logits):
            self._writing.append(draft)
        return 1

    def _take(self, draft: Draft, logits: np.ndarray) -> bool:
        try:
            return draft.take(logits)
        except Exception as error:  # logits that nothing can be drawn from
            draft.fail(error)
            return False

    def _fail_all(self, error: Exception) -> None:
        failed = [*self._writing, *([self._reading[0]] if self._reading else [])]
        self._writing, self._reading = [], None
        for draft in failed:
            draft.fail(error)


def _reason(draft: Draft, now: float) -> Exception:
    """Return why nobody waits for a text any more."""
    try:
        draft.wanted.check()
    except Exception as error:
        return error
    return too_late()
