"""A matrix that is read both as rows and turned is in a graph once, and the numbers stay."""

import numpy as np
import pytest

from export.graph.transposed import LEAST, held_once
from export.proof.parity import runner
from tests.export.graph.toys import kinds, network

ROWS = np.random.RandomState(0).normal(size=(7, 3)).astype(np.float32)


def tied(turned, least):
    """Rows that are looked up by `x`, and then multiplied by the same rows turned."""
    nodes = [
        ("Cast", "x", "ids", {"to": 7}),
        ("Gather", "rows ids", "states", {}),
        ("MatMul", "states turned", "y", {}),
    ]
    made = network(nodes, {"rows": ROWS, "turned": turned}, axes=2, result_axes=3)
    return made, held_once(made, least)


def test_one_of_two_is_kept_and_gives_the_same_numbers():
    before, after = tied(ROWS.T, least=ROWS.nbytes)
    assert len(before.graph.initializer) == 2 and kinds(before) == ["Cast", "Gather", "MatMul"]
    assert len(after.graph.initializer) == 1 and "Transpose" in kinds(after)
    given = {"x": np.array([[0, 6, 3]], np.float32)}
    np.testing.assert_array_equal(runner(after)(given)["y"], runner(before)(given)["y"])


@pytest.mark.parametrize(
    ("turned", "least"),
    [
        pytest.param(ROWS.T + np.eye(3, 7, dtype=np.float32), ROWS.nbytes, id="other numbers"),
        pytest.param(ROWS.T, ROWS.nbytes + 1, id="smaller than is worth it"),
        pytest.param(ROWS.T[:, :5], 1, id="another shape"),
    ],
)
def test_what_is_not_the_same_or_small_stays(turned, least):
    before, after = tied(turned, least)
    assert kinds(after) == kinds(before) and len(after.graph.initializer) == 2


def test_graphs_without_such_matrices_are_given_back_as_they_are():
    before, after = tied(ROWS.T, LEAST)
    assert after is before
