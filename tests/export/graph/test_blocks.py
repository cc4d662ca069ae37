"""Blocks in a graph: the same matrices to the last bit, and the logits of Keras."""

from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.families.fusion import fuse
from export.families.gpt_graphs import fused, graphs
from export.graph.blocks import keep_blocks
from export.graph.converter import OPSET, convert
from export.graph.precision import quantize_weights
from export.proof.linter import lint
from export.proof.parity import prove, runner
from serving.graphs.scan import check_graph
from tests.zoo.checkpoints.random_blocks import random_blocks
from zoo.checkpoints.blocks import Blocks, stacked
from zoo.transformer import GPT
from zoo.transformer.config import GPTConfig

ROWS, COLUMNS = 48, 160  # five blocks: an odd number, of which two of 4 bits share a byte
MIXTURES = {
    "Q8_0": ("Q8_0",),
    "Q4_0": ("Q4_0",),
    "Q4_1": ("Q4_1",),
    "three of a kind": ("Q4_1", "Q4_1", "Q4_1"),
    "4 and 8 bits": ("Q4_0", "Q8_0"),
    "with and without minima": ("Q4_1", "Q4_0", "Q8_0"),
}


def mixed(kinds) -> Blocks:
    return stacked([random_blocks(ROWS, COLUMNS, kind, at) for at, kind in enumerate(kinds)])


def small_graph(matrix: np.ndarray) -> onnx.ModelProto:
    """A look-up of rows of a matrix, and a product with it the other way round."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["found"], name="a/Gather"),
        helper.make_node("MatMul", ["x", "weight"], ["y"], name="a/MatMul"),
    ]
    constants = {"table": matrix, "weight": np.ascontiguousarray(matrix.T)}
    rows, columns = matrix.shape
    graph = helper.make_graph(
        nodes,
        "small",
        [
            helper.make_tensor_value_info("ids", TensorProto.INT64, ["b", "t"]),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", "t", columns]),
        ],
        [
            helper.make_tensor_value_info("found", TensorProto.FLOAT, ["b", "t", columns]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", "t", rows]),
        ],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("kinds_of_rows", MIXTURES.values(), ids=MIXTURES)
@pytest.mark.parametrize("batch", [1, COLUMNS])
def test_the_matrix_is_the_same_to_the_last_bit(kinds_of_rows, batch):
    """Each row of the identity gives one column of what ONNX Runtime multiplies by."""
    blocks = mixed(kinds_of_rows)
    matrix = blocks.dequantised()
    run = runner(keep_blocks(small_graph(matrix), [blocks]))
    identity = np.eye(COLUMNS, dtype=np.float32).reshape(COLUMNS // batch, 1, batch, COLUMNS)
    ids = np.arange(len(matrix))[None]
    results = [run({"x": each, "ids": ids}) for each in identity]
    columns = np.concatenate([each["y"][0] for each in results])
    assert columns.T.tobytes() == matrix.tobytes() or np.array_equal(columns.T, matrix)
    assert np.array_equal(results[0]["found"][0], matrix)


def test_an_embedding_that_makes_logits_is_there_once():
    blocks = mixed(["Q8_0"])
    kept = keep_blocks(small_graph(blocks.dequantised()), [blocks])
    large = [each for each in kept.graph.initializer if np.prod(each.dims) >= ROWS * COLUMNS]
    assert len(large) == 1 and large[0].data_type == TensorProto.UINT8
    assert kinds(kept).count("MatMulNBits") == kinds(kept).count("GatherBlockQuantized") == 1


def test_a_graph_is_hardly_larger_than_the_blocks():
    blocks = random_blocks(512, 512, "Q4_1")
    size = keep_blocks(small_graph(blocks.dequantised()), [blocks]).ByteSize()
    assert size < 512 * 512 // 32 * 20 + 4000


def test_minima_of_another_order_than_scales():
    """Where `minimum + 8 * scale` is no float32, values are taken less 0."""
    blocks = random_blocks(ROWS, COLUMNS, "Q4_1")
    far = replace(
        blocks, scales=(blocks.scales * 1e-3).astype(np.float16), minima=blocks.minima * 500
    )
    matrix = far.dequantised()
    kept = keep_blocks(small_graph(matrix), [far])
    assert [len(node.input) for node in kept.graph.node if node.domain] == [4, 4]
    x = np.eye(COLUMNS, dtype=np.float32)[None]
    results = runner(kept)({"x": x, "ids": np.arange(ROWS)[None]})
    np.testing.assert_array_equal(results["y"][0].T, matrix)
    np.testing.assert_array_equal(results["found"][0], matrix)


def test_other_numbers_stay_as_they_are():
    blocks = mixed(["Q4_1"])
    matrix = blocks.dequantised()
    matrix[3, 5] = np.nextafter(matrix[3, 5], np.float32(1))
    graph = small_graph(matrix)
    assert kinds(keep_blocks(graph, [blocks])) == ["Gather", "MatMul"]


@pytest.mark.parametrize("token", [ROWS, -ROWS - 1, 2**40, -(2**40)])
def test_tokens_that_there_are_not_end_no_process(token):
    blocks = mixed(["Q8_0"])
    run = runner(keep_blocks(small_graph(blocks.dequantised()), [blocks]))
    with pytest.raises(onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument):
        run({"ids": np.array([[0, token]]), "x": np.zeros((1, 1, COLUMNS), np.float32)})


# --- of a Transformer ---

CONFIG = GPTConfig(
    vocabulary_size=96, context=24, layers=2, width=64, heads=4, kv_heads=2, feed_forward=96
)


def in_blocks(config: GPTConfig, kind: str, embedding: str) -> tuple[GPT, list[Blocks]]:
    """Return a model whose matrices are blocks, with these."""
    model, matrices = GPT(config), []
    for at, variable in enumerate(model.trainable_variables):
        if len(variable.shape) < 2:
            continue
        table = variable.path.endswith("embeddings") and "reverse" not in variable.path
        rows, columns = variable.shape if table else variable.shape[::-1]
        parts = getattr(variable, "parts", (rows,))
        blocks = stacked(
            [
                random_blocks(count, columns, embedding if table else kind, 10 * at + part)
                for part, count in enumerate(parts)
            ]
        )
        matrices.append(blocks)
        numbers = blocks.dequantised()
        variable.assign(numbers if table else numbers.T)
    return model, matrices


@pytest.mark.parametrize(
    ("changes", "kind", "embedding"),
    [
        ({}, "Q4_1", "Q8_0"),
        ({"tied_embeddings": False}, "Q4_0", "Q4_1"),
        (
            {"positions": "learned", "normalisation": "layer", "bias": True, "activation": "gelu"},
            "Q8_0",
            "Q4_0",
        ),
    ],
)
def test_logits_are_those_of_keras(changes, kind, embedding):
    config = GPTConfig(**CONFIG.model_dump() | changes)
    model, matrices = in_blocks(config, kind, embedding)
    [spec] = graphs(model)
    graph = fuse(convert(spec), config)
    spec = fused(spec, model)
    kept = keep_blocks(graph, matrices)
    lint(kept, spec)
    check_graph(kept.SerializeToString(), "model", spec.interface, OPSET)
    assert kinds(kept).count("MatMulNBits") == 4 * config.layers + 1
    prove(runner(kept), spec)


def test_what_is_no_block_is_rounded_as_without_them():
    model, matrices = in_blocks(CONFIG, "Q4_1", "Q8_0")
    graph = fuse(convert(graphs(model)[0]), CONFIG)
    kept = kinds(quantize_weights(graph, 4, matrices))
    assert kept.count("MatMulNBits") == 4 * CONFIG.layers + 1
    some = quantize_weights(graph, 4, matrices[:3])
    assert kinds(some).count("MatMulNBits") == 4 * CONFIG.layers + 1
    assert kinds(some).count("GatherBlockQuantized") == 1
    none = quantize_weights(graph, 4)
    assert kinds(none).count("GatherBlockQuantized") == 0
