"""Texts that join and leave at every step are written as alone; the clock is the test's own."""

import threading
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import serving
from serving.runtime.interruption import Interruption, StoppedError, check
from serving.runtime.shared_memory import SharedSlots, slots
from serving.server.errors import RequestError
from serving.server.work.draft import Draft
from serving.server.work.writer import Writer
from serving.text.slots import SeparateSlots, Slots
from serving.text.tokenizer import Tokenizer
from tests.serving.text.toy_language import language_model

NANO = "gpt-shakespeare-nano"


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self):
        return self.now


def draft(model, prompt, most=4, seed=0, deadline=float("inf"), **settings):
    """Return a draft, and the list of its news."""
    news = []
    [order] = model.orders([prompt], most, seed=seed, **settings)
    made = Draft(model.tokenizer, order, None, Interruption(), deadline, news.append,
                 piecemeal=True)  # fmt: skip
    return made, news


def text(news):
    return "".join(each.text for each in news)


@pytest.fixture(scope="module")
def nano():
    return serving.load(NANO, device="cpu", threads=1)


def test_fused_texts_share_their_slots_and_are_those_of_one_alone(nano):
    """Long and short prompts, texts beyond the window, more texts than slots, other lengths."""
    shared = slots(nano.new_memory, 3)
    assert isinstance(shared, SharedSlots)
    writer = Writer(shared)
    prompts = ["ROMEO:", "J", "To be, or not to be " * 20, "O " * 70, "What?", "\n", "KING: x", "A"]
    lengths = [7, 300, 5, 90, 1, 40, 2, 25]
    drafts = []
    for seed, (prompt, most) in enumerate(zip(prompts, lengths, strict=True)):
        drafts.append(draft(nano, prompt, most, seed, temperature=0.9, top_k=20))
        writer.add(drafts[-1][0])
        for _ in range(4):  # others are written meanwhile
            writer.turn()
    while writer.busy:
        writer.turn()
    for seed, (prompt, most) in enumerate(zip(prompts, lengths, strict=True)):
        expected = nano.generate(prompt, most, seed=seed, temperature=0.9, top_k=20)
        assert text(drafts[seed][1]) == expected, prompt[:10]


class CountingSlots(Slots):
    """Slots that know which text each holds, and refuse what no real ones could do."""

    def __init__(self, count):
        super().__init__(count, context=64)
        self.held = {}

    def _read(self, prompt):
        assert self._begun < self.count
        self.held[self._begun] = list(prompt)
        for _ in prompt[:-1]:
            yield None
        yield self._logits(self._begun)

    def step(self, tokens):
        assert len(tokens) <= self.count
        for slot, token in enumerate(tokens):
            self.held[slot].append(token)
        return np.stack([self._logits(slot) for slot in range(len(tokens))])

    def _move(self, source, target):
        self.held[target] = self.held.pop(source)

    def _logits(self, slot):
        """Continue a text in a way that tells all that was read of it."""
        logits = np.zeros(SIZE)
        logits[5 + hash(tuple(self.held[slot])) % (SIZE - 5)] = 9
        return logits


MODEL = language_model(64)
SIZE = MODEL.tokenizer.size


def alone(prompt, most):
    """Return the tokens that a text has when nobody else is there."""
    lonely = CountingSlots(1)
    one, _ = draft(MODEL, prompt, most, temperature=0)
    writer = Writer(lonely, clock=Clock())
    writer.add(one)
    while writer.busy:
        writer.turn()
    return one.tokens


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), st.integers(1, 5), st.integers(1, 6), st.integers(1, 12)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("time"), st.integers(0, 4)),
        st.tuples(st.just("turn"), st.integers(1, 4)),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(count=st.integers(1, 3), events=EVENTS)
def test_whatever_comes_everybody_is_told_once_and_right(count, events):
    """Arrivals, cancellations and deadlines in any order: nobody is lost, mixed up or late."""
    clock, seen = Clock(), []
    writer = Writer(CountingSlots(count), clock=clock)
    for event, *numbers in events:
        if event == "arrive":
            size, most, patience = numbers
            prompt = "abcdefgh"[len(seen) % 4 :][:size]
            made, news = draft(MODEL, prompt, most, deadline=clock.now + patience, temperature=0)
            seen.append((made, news, prompt, most))
            writer.add(made)
        elif event == "cancel" and seen:
            seen[numbers[0] % len(seen)][0].wanted.stop(StoppedError("gone"))
        elif event == "time":
            clock.now += numbers[0]
        elif event == "turn":
            for _ in range(numbers[0]):
                stopped = [each for each in seen if each[0].wanted.stopped]
                before = [len(each[0].tokens) for each in stopped]
                writer.turn()
                # Who is gone gets no token more, and is told so at once.
                assert before == [len(each[0].tokens) for each in stopped]
                assert all(_end(each[1]) for each in stopped)
    for _ in range(1000):
        if not writer.busy:
            break
        writer.turn()
    assert not writer.busy
    for made, news, prompt, most in seen:
        ends = [each for each in news if each.reason or each.error]
        assert len(ends) == 1 and ends[0] is news[-1]
        expected = alone(prompt, most)
        if ends[0].reason:
            assert made.tokens == expected
        else:
            assert isinstance(ends[0].error, StoppedError | RequestError)
            assert made.tokens == expected[: len(made.tokens)]


def _end(news):
    return news and (news[-1].reason or news[-1].error)


def test_first_come_first_served():
    writer = Writer(CountingSlots(1), clock=Clock())
    order = []
    for name in "abcd":
        made, _ = draft(MODEL, name, 2, temperature=0)
        made.tell = lambda news, name=name: order.append(name) if news.reason else None
        writer.add(made)
    while writer.busy:
        writer.turn()
    assert order == list("abcd")


def test_a_graph_that_fails_ends_its_texts_and_no_others():
    class Failing(CountingSlots):
        def step(self, tokens):
            raise RuntimeError("no memory")

    writer = Writer(Failing(2), clock=Clock())
    first, news = draft(MODEL, "a", 5, temperature=0)
    writer.add(first)
    writer.turn()
    writer.turn()
    assert isinstance(news[-1].error, RuntimeError) and not writer.busy
    short, news = draft(MODEL, "a", 1, temperature=0)
    writer.add(short)
    writer.turn()
    assert news[-1].reason == "length"


def test_a_long_prompt_that_nobody_waits_for_is_not_read_to_its_end():
    """Its reading is ended in the midst; what was written meanwhile goes on as it would alone."""

    class Endless(CountingSlots):
        reading = threading.Event()

        def _read(self, prompt):
            if len(prompt) < 5:
                yield from super()._read(prompt)
                return
            while True:  # as a graph runs that is looked after
                self.reading.set()
                check()
                time.sleep(0.001)

    writer = Writer(Endless(2), clock=Clock())
    first, told = draft(MODEL, "ab", 8, temperature=0)
    writer.add(first)
    while not first.tokens:
        writer.turn()
    second, news = draft(MODEL, "abcdefgh", 5, temperature=0)
    writer.add(second)
    turning = threading.Thread(target=writer.turn, daemon=True)
    turning.start()
    assert Endless.reading.wait(20)
    second.wanted.stop(StoppedError("gone"))
    turning.join(timeout=20)
    assert not turning.is_alive() and isinstance(news[-1].error, StoppedError)
    while writer.busy:
        writer.turn()
    assert first.tokens == alone("ab", 8) and told[-1].reason == "length"


def test_any_model_has_slots(nano):
    assert isinstance(slots(MODEL.new_memory, 2), SeparateSlots)
    assert isinstance(MODEL.tokenizer, Tokenizer)
