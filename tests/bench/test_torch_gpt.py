"""The two networks that the benchmark compares are the same network."""

import numpy as np
import pytest

from zoo.transformer import GPT, GPTConfig

torch = pytest.importorskip("torch")


def test_both_networks_have_the_same_loss():
    from tests.bench.torch_gpt import TorchGPT

    config = GPTConfig(vocabulary_size=11, context=12, layers=2, width=32, heads=4)
    ours, theirs = GPT(config), TorchGPT(config)
    values = [ours.token_embedding.embeddings]
    for block in ours.blocks:
        norms = [block.attention_norm.scale, block.feed_forward_norm.scale]
        attention, feed_forward = block.attention, block.feed_forward
        values += [norms[0], attention.project.kernel, attention.merge.kernel]
        values += [norms[1], feed_forward.expand.kernel, feed_forward.contract.kernel]
    values.append(ours.final_norm.scale)
    generator = np.random.RandomState(0)
    for variable, parameter in zip(values, theirs.parameters(), strict=True):
        value = generator.normal(0, 0.5, variable.shape).astype("float32")
        variable.assign(value)
        kernel = len(value.shape) == 2 and parameter is not theirs.embedding.weight
        parameter.data = torch.from_numpy(value.T.copy() if kernel else value)
    tokens = generator.randint(0, 11, (3, 13))
    loss = theirs(torch.from_numpy(tokens[:, :-1].copy()), torch.from_numpy(tokens[:, 1:].copy()))
    expected = float(ours.validation_loss((tokens[:, :-1], tokens[:, 1:])))
    assert loss.item() == pytest.approx(expected, rel=1e-5)
