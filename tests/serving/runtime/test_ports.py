"""A graph is what its manifest says when it is loaded, and when it has first run."""

import numpy as np
import pytest

from serving.bundle.records import BundleError
from serving.errors import GenzooError
from serving.runtime.session import Session
from tests.serving.graphs.graphs import from_x, fused, node, port

CACHE = np.zeros((2, 2, 0, 16), np.float32)
IDS = np.zeros((2, 3), np.int64)
TEXT = {"input_ids": IDS, "attention_mask": IDS + 1, "past_key": CACHE, "past_value": CACHE}


def session(model, interface=None):
    return Session(model.SerializeToString(), "graph.onnx", "cpu", 1, interface=interface)


@pytest.fixture
def doubling():
    return from_x([node("Add", "x x", "y")], {})


@pytest.mark.parametrize(
    "other",
    [
        {"outputs": [port("z", "batch", 4)]},
        {"outputs": [port("y", "batch", 5)]},
        {"outputs": [port("y", "batch")]},
        {"outputs": [port("y", "batch", 4, dtype="int64")]},
        {"outputs": []},
        {"inputs": [port("x", "batch", 5)]},
        {"inputs": [port("x", "batch", 4), port("z", "batch")]},
    ],
)
def test_what_is_loaded_is_what_is_declared(doubling, other):
    model, interface = doubling
    session(model, interface)
    with pytest.raises(BundleError, match=r"graph\.onnx") as caught:
        session(model, interface.model_copy(update=other))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "axes", [("batch", 4), ("batch", 5), ("batch",), (3, 4), ("batch", "batch"), ("batch", "any")]
)
def test_what_comes_out_is_what_is_declared(axes):
    """ONNX Runtime knows no shape here, since numbers of the input say it."""
    nodes = [node("Cast", "x", "numbers", to=7), node("Expand", "one numbers", "y")]
    model, interface = from_x(nodes, {"one": np.float32([1])}, (2,), axes)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    interface = interface.model_copy(update={"inputs": [port("x", "batch")]})
    feeds = {"x": np.float32([2, 4])}
    if axes in (("batch", 4), ("batch", "any")):
        one = session(model, interface)
        assert [one.run(["y"], feeds)[0].shape for _ in range(2)] == [(2, 4)] * 2
    else:
        with pytest.raises(BundleError, match="'y' is float32"):
            session(model, interface).run(["y"], feeds)


@pytest.mark.parametrize("shape", [(0, 4), (0, 0)])
def test_an_empty_batch_is_one_line(doubling, shape):
    one = session(*doubling)
    empty = np.zeros(shape, np.float32)
    with pytest.raises(GenzooError, match="an empty batch has no results"):
        one.run(["y"], {"x": empty})
    with pytest.raises(GenzooError, match="an empty batch has no results"):
        one.bind({"x": empty}, {"y": empty})


@pytest.mark.parametrize("rows", [(0, 3), (2, 0)])
def test_an_empty_batch_of_text_does_not_end_the_process(rows):
    """In a graph that is fused it would; a past of no tokens is as it should be."""
    one = session(*fused())
    assert one.run(["logits"], TEXT)[0].shape == (2, 3, 11)
    empty = {"input_ids": np.zeros(rows, np.int64), "attention_mask": np.zeros(rows, np.int64)}
    cache = dict.fromkeys(("past_key", "past_value"), CACHE[: rows[0]])
    with pytest.raises(GenzooError, match="an empty batch has no results"):
        one.run(["logits"], empty | cache)
