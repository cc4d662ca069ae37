"""Rows of much work, computed together: all get their own, and none waits for ever."""

import asyncio
import threading
import time
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.bundle.records import Interface, Port
from serving.runtime.interruption import Interruption, StoppedError, current, interruptible
from serving.server.errors import RequestError
from serving.server.work.lane import Lane
from serving.server.work.together import Crew, Together, by_rows
from serving.server.work.waiting import Ticket, Waiting


class Doubling:
    """A graph that writes down how many rows it was given."""

    def __init__(self):
        self.rows = []

    def run(self, outputs, feeds):
        self.rows.append(len(feeds["x"]))
        if (feeds["x"] < 0).any():
            raise ValueError("no row may be negative")
        return [feeds["x"] * 2 for _ in outputs]


class Asking:
    """Work that asks a graph for some rows, once or several times."""

    def __init__(self, graph, value, rows=1, outputs=("y",), times=1):
        self.graph, self.x = graph, np.full((rows, 2), float(value))
        self.wanted, self.outputs, self.times = Interruption(), list(outputs), times
        self.found, self.error = [], None

    def __call__(self):
        try:
            with interruptible(self.wanted):
                for _ in range(self.times):
                    self.found.append(self.graph.run(self.outputs, {"x": self.x}))
                    assert current() is self.wanted  # whatever other work did meanwhile
        except Exception as error:
            self.error = error

    def right(self):
        answers = [array for found in self.found for array in found]
        return (
            self.error is None
            and len(self.found) == self.times
            and all((each == 2 * self.x).all() for each in answers)
        )


def begun(crew, *asked):
    for each in asked:
        crew.begin(each)
    return list(asked)


def test_what_waits_is_one_batch_as_far_as_it_fits():
    session, crew = Doubling(), Crew(8)
    graph = Together(session)
    asked = begun(crew, *(Asking(graph, at, rows) for at, rows in enumerate((3, 4, 2))))
    assert len(crew) == 3 and not session.rows
    crew.run()
    assert session.rows == [7] and len(crew) == 1
    crew.run()
    assert session.rows == [7, 2] and all(each.right() for each in asked)
    crew.run()  # of nothing
    assert session.rows == [7, 2]


def test_work_that_needs_several_runs_goes_on_beside_what_comes_later():
    session, crew = Doubling(), Crew(8)
    graph = Together(session)
    asked = begun(crew, Asking(graph, 1, times=3))
    crew.run()
    asked += begun(crew, Asking(graph, 2, rows=2, times=2))
    while len(crew):
        crew.run()
    assert session.rows == [1, 3, 3] and all(each.right() for each in asked)


def test_other_outputs_and_other_graphs_are_another_batch():
    session, crew = Doubling(), Crew(8)
    graph, other = Together(session), Together(session)
    asked = begun(crew, Asking(graph, 1), Asking(graph, 2, outputs=("y", "z")), Asking(other, 3),
                  Asking(graph, 4))  # fmt: skip
    for _ in range(3):
        crew.run()
    assert session.rows == [2, 1, 1] and all(each.right() for each in asked)


def test_who_is_stopped_leaves_and_the_others_go_on():
    session, crew = Doubling(), Crew(8)
    graph = Together(session)
    first, second = begun(crew, Asking(graph, 1), Asking(graph, 2))
    first.wanted.stop(StoppedError("gone"))
    crew.run()
    assert str(first.error) == "gone" and second.right() and session.rows == [1]


def test_a_wrong_row_is_its_own_fault():
    session, crew = Doubling(), Crew(8)
    graph = Together(session)
    *good, bad = begun(crew, *(Asking(graph, value) for value in (2, 3, -1)))
    crew.run()
    assert all(each.right() for each in good) and isinstance(bad.error, ValueError)


def test_outside_of_a_crew_a_graph_is_used_as_it_is():
    session = Doubling()
    alone = Asking(Together(session), 5, rows=3)
    alone()
    assert alone.right() and session.rows == [3]


WORK = st.tuples(st.integers(1, 9), st.integers(0, 1), st.integers(1, 3), st.booleans())


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 8), st.lists(st.tuples(WORK, st.integers(0, 2)), max_size=12))
def test_whatever_comes_everybody_gets_his_own(most, events):
    """Work of all sizes, that is begun, stopped and run in any order."""
    sessions, crew = [Doubling(), Doubling()], Crew(most)
    graphs, asked = [Together(each) for each in sessions], []
    for (rows, graph, times, stops), runs in events:
        asked += begun(crew, Asking(graphs[graph], len(asked), rows, times=times))
        for _ in range(runs):
            crew.run()
        if stops:
            asked[rows % len(asked)].wanted.stop(StoppedError("gone"))
    for _ in range(sum(each.times for each in asked)):
        crew.run()
    assert not len(crew)
    assert all(each.right() or each.wanted.stopped for each in asked)
    largest = max((len(each.x) for each in asked), default=0)
    assert all(rows <= max(most, largest) for each in sessions for rows in each.rows)


def test_only_graphs_of_rows_are_shared():
    def interface(*axes):
        ports = [Port(name="x", dtype="float32", axes=[*each], meaning="x") for each in axes]
        return Interface(inputs=ports[:1], outputs=ports[1:])

    assert by_rows(interface(["batch_size", 2], ["batch_size", 4, 4]))
    assert not by_rows(interface(["batch_size", "sequence"], ["batch_size", 4]))
    assert not by_rows(interface(["batch_size", 2], ["other", 4]))
    assert not by_rows(interface([2, 2], [2, 4]))


TICKETS = st.lists(st.tuples(st.integers(1, 9), st.sampled_from("ab"), st.integers(1, 20)))


@settings(max_examples=200, deadline=None)
@given(TICKETS, st.integers(1, 8), st.lists(st.integers(0, 30), max_size=9))
def test_the_queue_serves_everybody_once_in_order_and_in_time(tickets, room, moments):
    """Whatever waits: batches are of one kind, fit in, and of a kind nobody overtakes anybody."""
    queue, now, served, late = Waiting(), 0, [], []
    made = [Ticket(at, rows, kind, due) for at, (rows, kind, due) in enumerate(tickets)]
    for ticket in made:
        queue.add(ticket)
    while len(queue):
        now = moments.pop() if moments and moments[-1] > now else now
        late += queue.expired(now)
        first = queue.first
        batch = queue.take(room)
        if batch:
            assert batch[0] is first and len({each.kind for each in batch}) == 1
            assert len(batch) == 1 or sum(each.rows for each in batch) <= room
            assert all(each.deadline > now for each in batch)
        served += batch
    assert sorted(each.item for each in served + late) == list(range(len(made)))
    for kind in "ab":
        order = [each.item for each in served if each.kind == kind]
        assert order == sorted(order)
    assert not queue.take(room) and queue.first is None


def test_a_stopped_run_never_begins():
    session = Doubling()
    stopped = Asking(Together(session), 1)
    stopped.wanted.stop(StoppedError("gone"))
    stopped()
    assert isinstance(stopped.error, StoppedError) and not session.rows


@pytest.fixture
def lane():
    made = Lane(2, 8, 8, "test", most=1000)
    yield made
    made.close()


def test_a_lane_gives_everybody_his_own(lane):
    graph = Together(Doubling())

    def work(value):
        with_graph = graph.run(["y"], {"x": np.full((1, 1), float(value))})[0].item()
        if value % 7 == 6:
            raise RequestError(f"not {value}")
        return with_graph

    async def everything():
        def run(value):
            return lane.run(partial(work, value), Interruption(), time.monotonic() + 60)

        return await asyncio.gather(*map(run, range(100)), return_exceptions=True)

    for value, found in enumerate(asyncio.run(everything())):
        if value % 7 == 6:
            assert isinstance(found, RequestError) and str(found) == f"not {value}"
        else:
            assert found == 2 * value


def test_a_lane_lets_go_of_who_is_late_or_gone(lane):
    """And never begins what nobody waits for any more."""
    release, began = threading.Event(), []

    def work(name):
        began.append(name)
        release.wait(20)

    async def everything():
        def run(name, seconds=60.0):
            return lane.run(partial(work, name), Interruption(), time.monotonic() + seconds)

        held = [asyncio.create_task(run(name)) for name in ("a", "b")]
        while len(began) < 2:
            await asyncio.sleep(0.001)
        with pytest.raises(RequestError, match="longer than it may"):
            await run("late", 0.01)
        gone = asyncio.create_task(run("gone"))
        await asyncio.sleep(0.01)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        release.set()
        await asyncio.gather(*held)
        await run("next")

    asyncio.run(everything())
    assert sorted(began) == ["a", "b", "next"]


def test_a_lane_that_closes_tells_who_waits(lane):
    release, began = threading.Event(), threading.Event()

    def work():
        began.set()
        release.wait(20)
        return "done"

    async def everything():
        def run():
            return lane.run(work, Interruption(), time.monotonic() + 60)

        held = [asyncio.create_task(run()) for _ in range(2)]
        await asyncio.to_thread(began.wait, 20)
        await asyncio.sleep(0.05)  # until both threads have one
        waits = asyncio.create_task(run())
        await asyncio.sleep(0)
        lane.close()
        with pytest.raises(RequestError, match="the server is closing"):
            await waits
        release.set()
        assert await asyncio.gather(*held) == ["done", "done"]
        with pytest.raises(RequestError, match="the server is closing"):
            await run()

    asyncio.run(everything())
