"""Who may wait for a model; the clock is the test's own."""

import asyncio
from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.server.errors import RequestError
from serving.server.work.line import MANY, PERIOD, SHORT, Line


class Clock:
    """Time that passes when it is told to."""

    now = 0.0

    def __call__(self):
        return self.now


def enter(line):
    """Let a request in, and return what lets it out again; None where it is refused."""
    stack = ExitStack()
    try:
        stack.enter_context(line.enter())
    except RequestError as error:
        assert error.status == 503 and error.reason == "full"
        return None
    return stack.close


def test_a_burst_may_wait_and_whoever_comes_then_is_refused():
    line = Line(8, Clock())
    leave = [enter(line) for _ in range(8)]
    assert all(leave) and enter(line) is None and len(line) == 8
    for each in leave:
        each()
    assert len(line) == 0


def test_in_an_overload_few_wait_until_fewer_are_refused():
    clock = Clock()
    line = Line(16, clock)
    inside = [enter(line) for _ in range(16)]
    assert all(inside) and [enter(line) for _ in range(17)] == [None] * 17
    inside.pop()()
    inside.append(enter(line))  # a burst is none yet
    assert inside[-1]
    clock.now += PERIOD
    for _ in range(14):
        assert enter(line) is None  # as more than a third were refused
        inside.pop()()
    assert [enter(line) for _ in range(2)] == [None] * 2  # of 16 // SHORT there are two
    clock.now += PERIOD
    assert enter(line) is None and enter(line) is None
    inside.pop()()
    for _ in range(5):
        enter(line)()
    clock.now += PERIOD  # two of seven
    inside += [enter(line) for _ in range(15)]
    assert all(inside) and len(line) == 16


@settings(max_examples=200, deadline=None)
@given(
    most=st.integers(1, 12),
    events=st.lists(
        st.one_of(
            st.just("comes"), st.tuples(st.just("leaves"), st.integers(0, 20)),
            st.tuples(st.just("time"), st.sampled_from([0.01, 0.06, 0.2])),
        ), max_size=80,
    ),
)  # fmt: skip
def test_whoever_comes_and_leaves(most, events):
    """Never more than allowed; who is refused meets a full line, short only in an overload."""
    clock = Clock()
    line, inside, counts = Line(most, clock), [], [0, 0]
    overloaded, begun = False, 0.0
    for event in events:
        before = len(line)
        if event == "comes":
            if clock.now - begun >= PERIOD:
                overloaded, begun = counts[0] > MANY * sum(counts), clock.now
                counts = [0, 0]
            leave = enter(line)
            assert (leave is None) == (before >= (max(1, most // SHORT) if overloaded else most))
            counts[leave is not None] += 1
            inside += [leave] if leave else []
        elif event[0] == "leaves" and inside:
            inside.pop(event[1] % len(inside))()
        elif event[0] == "time":
            clock.now += event[1]
        assert len(line) == len(inside) <= most


def test_who_is_announced_counts_until_the_loop_has_begun_with_them():
    async def main():
        line = Line(2, Clock())
        inside = enter(line)
        line.announce()
        with pytest.raises(RequestError, match="full"):
            line.announce()
        assert len(line) == 1
        line.check()  # those who are on the way are not here yet
        for _ in range(3):
            await asyncio.sleep(0)
        line.announce()
        inside()

    asyncio.run(main())


def test_a_line_that_nobody_stands_in_refuses_nobody():
    line = Line(1, Clock())
    leave = enter(line)
    with pytest.raises(RequestError, match="1 requests wait"):
        line.check()
    leave()
    line.check()
