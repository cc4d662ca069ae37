"""Inputs are brought to the sizes that a graph fixes, and outputs back."""

import numpy as np
import pytest

from serving.bundle.records import Interface, Port
from serving.errors import GenzooError
from serving.runtime.fixed import cut, enlarged


def port(name, *axes):
    return Port(name=name, dtype="float32", axes=["batch", *axes], meaning=name)


INTERFACE = Interface(
    inputs=[port("ids", "sequence"), port("mask", "total"), port("past", 2, "past")],
    outputs=[port("logits", "sequence", 3), port("present", 2, "total")],
)
SIZES = {"past": 6, "total": 6}
FEEDS = {"ids": np.ones((1, 2)), "mask": np.ones((1, 5)), "past": np.ones((1, 2, 3))}


def test_there_and_back():
    large = enlarged(FEEDS, INTERFACE, SIZES)
    assert {name: array.shape for name, array in large.items()} == {
        "ids": (1, 2),
        "mask": (1, 6),
        "past": (1, 2, 6),
    }
    assert large["ids"] is FEEDS["ids"] and large["mask"].tolist() == [[1, 1, 1, 1, 1, 0]]
    outputs = {"logits": np.ones((1, 2, 3)), "present": np.arange(12).reshape(1, 2, 6)}
    found = cut(outputs, FEEDS, INTERFACE, SIZES)
    assert found["present"].tolist() == [[[0, 1, 2, 3, 4], [6, 7, 8, 9, 10]]]
    assert found["logits"].shape == (1, 2, 3)


def test_nothing_is_fixed():
    assert all(enlarged(FEEDS, INTERFACE, {})[name] is array for name, array in FEEDS.items())


@pytest.mark.parametrize("size", [4, 10**15])
def test_what_does_not_fit_is_one_line(size):
    with pytest.raises(GenzooError, match=r"mask is \[1, 5\] and would have to be"):
        enlarged(FEEDS, INTERFACE, {"total": size})


def test_the_interface_of_a_graph_that_fixes_sizes():
    fixed = INTERFACE.fixed(SIZES)
    assert [each.axes for each in fixed.inputs] == [
        ["batch", "sequence"],
        ["batch", 6],
        ["batch", 2, 6],
    ]
    assert fixed.outputs[1].axes == ["batch", 2, 6]
