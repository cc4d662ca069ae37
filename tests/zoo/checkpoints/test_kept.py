"""Blocks are found in a model by their numbers, alone and one below the other."""

import numpy as np

from tests.zoo.checkpoints.random_blocks import random_blocks
from zoo.checkpoints.blocks import BlockTensor, stacked
from zoo.checkpoints.checkpoint import Tensor
from zoo.checkpoints.kept import kept_blocks
from zoo.transformer import GPT
from zoo.transformer.config import GPTConfig

CONFIG = GPTConfig(
    vocabulary_size=40, context=16, layers=1, width=64, heads=4, kv_heads=2, feed_forward=96
)


def test_blocks_of_a_model():
    shapes = {"q": 64, "k": 32, "v": 32, "o": 64, "embedding": 40}
    held = {
        name: random_blocks(rows, 64, seed=at) for at, (name, rows) in enumerate(shapes.items())
    }
    tensors: dict[str, Tensor] = {
        name: BlockTensor(blocks.shape, blocks.dequantised, "Q4_1", lambda blocks=blocks: blocks)
        for name, blocks in held.items()
    }
    tensors["norm"] = Tensor((64,), lambda: np.ones(64, np.float32))
    model = GPT(CONFIG)
    attention, project = model.blocks[0].attention, stacked([held[name] for name in "qkv"])
    attention.project.kernel.assign(project.dequantised().T)
    attention.merge.kernel.assign(held["o"].dequantised().T)
    model.token_embedding.embeddings.assign(held["embedding"].dequantised())
    kept = kept_blocks(model, tensors)
    assert kept.keys() == {
        "block_0/attention/project/kernel",
        "block_0/attention/merge/kernel",
        "token_embedding/embeddings",
    }
    found = kept["block_0/attention/project/kernel"]
    np.testing.assert_array_equal(found.values, project.values)
    assert found.bits == 4
    attention.merge.kernel.assign(attention.merge.kernel + 1e-3)  # trained since
    assert "block_0/attention/merge/kernel" not in kept_blocks(model, tensors)
