"""Rows of many threads, computed together: everybody gets his own, and nobody waits for ever."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.bundle.records import Interface, Port
from serving.runtime.interruption import Interruption, StoppedError, interruptible
from serving.server.work.together import Together, by_rows
from serving.server.work.waiting import Ticket, Waiting


class Slow:
    """A graph that waits until it may go on, and writes down what it was given."""

    def __init__(self):
        self.begun, self.may_run = threading.Semaphore(0), threading.Semaphore(0)
        self.rows = []

    def run(self, outputs, feeds):
        self.rows.append(len(feeds["x"]))
        self.begun.release()
        self.may_run.acquire()
        if (feeds["x"] < 0).any():
            raise ValueError("no row may be negative")
        return [feeds["x"] * 2 for _ in outputs]


class Asking(threading.Thread):
    """A thread that asks for some rows."""

    def __init__(self, graph, value, rows=1, outputs=("y",)):
        super().__init__(daemon=True)
        self.graph, self.x = graph, np.full((rows, 2), float(value))
        self.wanted, self.outputs = Interruption(), list(outputs)
        self.found = self.error = None
        self.start()

    def run(self):
        try:
            with interruptible(self.wanted):
                self.found = self.graph.run(self.outputs, {"x": self.x})
        except Exception as error:
            self.error = error

    def right(self):
        self.join(timeout=20)
        return self.error is None and all((each == 2 * self.x).all() for each in self.found)


def waiting(graph, count):
    for _ in range(2000):
        if len(graph) == count:
            return True
        threading.Event().wait(0.005)
    return False


def test_what_comes_while_a_graph_runs_is_the_next_batch():
    session = Slow()
    graph = Together(session, most=8)
    first = Asking(graph, 1)
    session.begun.acquire()
    others = []
    for value, rows in ((2, 3), (3, 4), (4, 2)):
        others.append(Asking(graph, value, rows))
        assert waiting(graph, len(others))
    for _ in range(3):
        session.may_run.release()
    assert first.right() and all(each.right() for each in others)
    assert session.rows == [1, 7, 2]


def test_other_outputs_are_another_batch():
    session = Slow()
    graph = Together(session, most=8)
    asked = [Asking(graph, 1)]
    session.begun.acquire()
    for at, outputs in enumerate((("y",), ("y", "z"), ("y",))):
        asked.append(Asking(graph, at, outputs=outputs))
        assert waiting(graph, at + 1)
    for _ in range(3):
        session.may_run.release()
    assert all(each.right() for each in asked) and session.rows == [1, 2, 1]


def test_who_is_stopped_leaves_and_the_others_go_on():
    session = Slow()
    graph = Together(session, most=8)
    first = Asking(graph, 1)
    session.begun.acquire()
    second, third = Asking(graph, 2), Asking(graph, 3)
    assert waiting(graph, 2)
    second.wanted.stop(StoppedError("gone"))
    second.join(timeout=20)
    assert isinstance(second.error, StoppedError)
    first.wanted.stop(StoppedError("gone too late"))  # it is being computed
    session.may_run.release()
    session.may_run.release()
    assert third.right() and session.rows == [1, 1]


def test_a_wrong_row_is_its_own_fault():
    session = Slow()
    graph = Together(session, most=8)
    first = Asking(graph, 1)
    session.begun.acquire()
    good, bad = [Asking(graph, value) for value in (2, 3)], Asking(graph, -1)
    assert waiting(graph, 3)
    for _ in range(5):  # the first, all three, and each of them alone
        session.may_run.release()
    assert first.right() and all(each.right() for each in good)
    bad.join(timeout=20)
    assert isinstance(bad.error, ValueError)


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
    assert not made or not queue.withdraw(made[0])


def test_a_stopped_run_never_begins():
    wanted = Interruption()
    wanted.stop(StoppedError("gone"))
    with interruptible(wanted), pytest.raises(StoppedError):
        Together(Slow(), 8).run(["y"], {"x": np.ones((1, 2))})
