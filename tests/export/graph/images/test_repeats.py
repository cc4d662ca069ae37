"""Pixels repeated by copies along a new axis are one operator, and the same numbers."""

import numpy as np
import pytest

from export.graph.converter import simplify
from export.graph.images.repeats import resize_repeated
from export.proof.parity import runner
from tests.export.graph.toys import in_place, kinds, network

SIZES = [2, 3, 4]  # height, width, channels


def repeated(axis, count, *, target=None, moved=False):
    """A graph that repeats along an axis of (B, 2, 3, 4), or rows of (B, C, H, W) to put C last."""
    sizes = [*SIZES]
    if moved:
        sizes = [sizes[1], sizes[2], sizes[0]]
    sizes[axis - 1] *= count
    copies = np.ones(5, np.int64)
    copies[axis + 1 + moved] = count
    constants = {"axis": [axis + 1 + moved], "copies": copies, "shape": target or [-1, *sizes]}
    nodes = [("Unsqueeze", "x axis", "wide", {}), ("Tile", "wide copies", "tiled", {})]
    if moved:
        nodes.append(("Transpose", "tiled", "turned", {"perm": [0, 2, 3, 4, 1]}))
    nodes.append(("Reshape", f"{nodes[-1][2]} shape", "y", {}))
    return network(nodes, constants, axes=SIZES)


def assert_same(model, other):
    x = np.random.RandomState(1).normal(size=(2, *SIZES)).astype(np.float32)
    np.testing.assert_array_equal(runner(other)({"x": x})["y"], runner(model)({"x": x})["y"])


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("count", [2, 3])
def test_copies_of_an_axis_are_one_operator(axis, count):
    model = repeated(axis, count)
    assert kinds(in_place(resize_repeated, model)) == ["Resize"]
    assert_same(model, in_place(resize_repeated, model))


def test_channels_may_be_put_last_on_the_way():
    model = repeated(1, 2, moved=True)
    assert kinds(in_place(resize_repeated, model)) == ["Resize", "Transpose"]
    assert_same(model, in_place(resize_repeated, model))


def test_another_shape_is_no_repetition():
    model = repeated(1, 2, target=[-1, 2, 6, 4])  # whole images side by side
    assert kinds(in_place(resize_repeated, model)) == kinds(model)


def test_rows_and_columns_are_repeated_at_once():
    nodes = [("Unsqueeze", "x a", "b", {}), ("Tile", "b c", "d", {}), ("Reshape", "d e", "f", {})]
    nodes += [("Unsqueeze", "f g", "h", {}), ("Tile", "h i", "j", {}), ("Reshape", "j k", "y", {})]
    constants = {"a": [2], "c": [1, 1, 2, 1, 1], "e": [-1, 4, 3, 4]}
    constants |= {"g": [3], "i": [1, 1, 1, 3, 1], "k": [-1, 4, 9, 4]}
    model = network(nodes, constants, axes=SIZES)
    assert kinds(simplify(model)) == ["Resize"]
    assert_same(model, simplify(model))
