"""Matrices in blocks: with zero points, and looked up by rows, as exporters write them only."""

import numpy as np
import pytest

from serving.bundle.records import BundleError
from tests.serving.graphs.graphs import DOMAIN, changed, check, graph, node, port

ROWS, BLOCKS, SIZE = 6, 3, 32


def looked_up(**attributes):
    """Rows of a matrix of 4 bits, and the product with it."""
    constants = {
        "values": np.zeros((ROWS, BLOCKS, SIZE // 2), np.uint8),
        "scales": np.ones((ROWS, BLOCKS), np.float32),
        "deep": np.ones((ROWS, BLOCKS, 1), np.float32),
        "points": np.zeros((ROWS, 2), np.uint8),
        "deep_points": np.zeros((ROWS, BLOCKS, 1), np.uint8),
        "shape": np.array([0, 0, BLOCKS * SIZE]),
    }
    kind = {"bits": 4, "block_size": SIZE}
    axes = {"gather_axis": 0, "quantize_axis": 2}
    nodes = [
        node(
            "GatherBlockQuantized",
            "values ids deep deep_points",
            "found",
            DOMAIN,
            **kind | axes | attributes,
        ),
        node("Reshape", "found shape", "x"),
        node(
            "MatMulNBits",
            "x values scales points",
            "y",
            DOMAIN,
            K=BLOCKS * SIZE,
            N=ROWS,
            **kind,
        ),
    ]
    ids = port("ids", "batch", "sequence", dtype="int64")
    return graph(nodes, constants, [ids], [port("y", "batch", "sequence", ROWS)])


def test_rows_of_blocks_and_products_with_zero_points():
    check(*looked_up(), window=12)


@pytest.mark.parametrize(
    "change",
    [
        {"bits": 8},
        {"bits": 2},
        {"block_size": 16},
        {"block_size": 0},
        {"gather_axis": 1},
        {"quantize_axis": 1},
    ],
)
def test_rows_have_the_bits(change):
    with pytest.raises(BundleError, match="GatherBlockQuantized"):
        check(*looked_up(**change), window=12)


@pytest.mark.parametrize(
    ("name", "array", "operator"),
    [
        ("deep", np.ones((ROWS, BLOCKS), np.float32), "GatherBlockQuantized"),
        ("deep", np.ones((ROWS - 1, BLOCKS, 1), np.float32), "GatherBlockQuantized"),
        ("deep_points", np.zeros((ROWS, BLOCKS - 1, 1), np.uint8), "GatherBlockQuantized"),
        ("deep_points", np.zeros((ROWS, BLOCKS, 1), np.float32), "GatherBlockQuantized"),
        ("values", np.zeros((ROWS, BLOCKS, SIZE // 2), np.int8), "GatherBlockQuantized"),
        ("values", np.zeros((0, BLOCKS, SIZE // 2), np.uint8), "GatherBlockQuantized"),
        ("points", np.zeros((ROWS, 1), np.uint8), "MatMulNBits"),
        ("points", np.zeros((ROWS, BLOCKS), np.float32), "MatMulNBits"),
    ],
)
def test_arrays_that_do_not_fit(name, array, operator):
    model, interface = looked_up()
    with pytest.raises(BundleError, match=operator):
        check(changed(model, **{name: array}), interface, window=12)
