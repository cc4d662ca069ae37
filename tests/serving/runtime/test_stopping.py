"""Runs of a graph that are ended in their midst, by whoever does not want them any more."""

import threading
from functools import partial

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from serving.errors import GenzooError
from serving.runtime.interruption import Interruption, StoppedError, interruptible
from serving.runtime.session import Session
from serving.server.work.together import Crew, Together

SIZE, PRODUCTS = 512, 4000  # several seconds of work


def long_graph():
    """Return a graph that multiplies an array by itself again and again."""
    axes = [SIZE, SIZE]
    nodes = [helper.make_node("MatMul", [f"x{at}", "x0"], [f"x{at + 1}"]) for at in range(PRODUCTS)]
    port = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, axes)  # noqa: E731
    body = helper.make_graph(nodes, "long", [port("x0")], [port(f"x{PRODUCTS}")])
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


X, NAME = np.eye(SIZE, dtype=np.float32), f"x{PRODUCTS}"


@pytest.fixture(scope="module")
def session():
    return Session(long_graph(), "long.onnx", "cpu", threads=1)


class Working(threading.Thread):
    """A thread that runs a graph, and can be stopped."""

    def __init__(self, run):
        super().__init__(daemon=True)
        self.wanted, self.error, self.run_graph = Interruption(), None, run
        self.start()

    def run(self):
        try:
            with interruptible(self.wanted):
                self.run_graph()
        except Exception as error:
            self.error = error

    def stopped(self):
        """Stop it once its graph runs, and return what it says of that."""
        while not self.wanted._wakes:
            assert self.is_alive()
            threading.Event().wait(0.001)
        threading.Event().wait(0.02)
        self.wanted.stop(StoppedError("gone"))
        self.join(timeout=60)
        assert not self.is_alive()
        return self.error


def runs(session):
    """Return the two ways to run a graph."""
    bound = session.bind({"x0": X}, {NAME: np.empty_like(X)})
    return {"plain": lambda: session.run([NAME], {"x0": X}), "bound": bound.run}


@pytest.mark.parametrize("way", ["plain", "bound"])
def test_who_stops_a_run_ends_it_in_its_midst(session, way):
    """If it had come to its end, it would have said nothing."""
    run = runs(session)[way]
    error = Working(run).stopped()
    assert isinstance(error, StoppedError) and str(error) == "gone"


def test_a_session_that_was_stopped_runs_again(session):
    small = Session(onnx_identity(), "small.onnx", "cpu", threads=1)
    wanted = Interruption()
    with interruptible(wanted):
        [found] = small.run(["y"], {"x": X})
    wanted.stop(StoppedError("gone"))
    assert (found == X).all()
    assert (small.run(["y"], {"x": X})[0] == X).all()
    with interruptible(wanted), pytest.raises(StoppedError, match="gone"):
        small.run(["y"], {"x": X})


def test_what_fails_by_itself_says_so_and_not_that_it_was_stopped(session):
    with interruptible(Interruption()), pytest.raises(GenzooError, match="ONNX Runtime failed"):
        session.run([NAME], {"x0": X[:2]})


def onnx_identity():
    ports = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [SIZE, SIZE]) for n in "xy"]
    body = helper.make_graph([helper.make_node("Identity", "x", "y")], "i", ports[:1], ports[1:])
    return helper.make_model(
        body, opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    ).SerializeToString()


class OfTwo:
    """A long graph, as if it had computed the rows of two."""

    def __init__(self, session):
        self.session, self.ended = session, 0

    def run(self, outputs, feeds):
        [found] = self.session.run(outputs, {"x0": X})
        self.ended += 1
        return [np.concatenate([found, found])]


def test_a_batch_is_ended_when_nobody_of_it_is_left(session):
    """That one of two leaves ends nothing; when the other has left too, it is ended at once."""
    graph, asked, told = OfTwo(session), [Interruption(), Interruption()], []
    together = Together(graph)

    def ask(wanted):
        with interruptible(wanted):
            try:
                together.run([NAME], {"x0": X})
            except StoppedError as error:
                told.append(str(error))

    def work():  # greenlets stay in their thread
        crew = Crew(2 * SIZE)
        for wanted in asked:
            crew.begin(partial(ask, wanted))
        crew.run()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    while not all(each._wakes for each in asked):
        assert thread.is_alive()
        threading.Event().wait(0.001)
    threading.Event().wait(0.02)
    asked[0].stop(StoppedError("gone first"))
    threading.Event().wait(0.02)
    assert thread.is_alive() and not told
    asked[1].stop(StoppedError("gone last"))
    thread.join(timeout=60)
    assert told == ["gone first", "gone last"] and not graph.ended
