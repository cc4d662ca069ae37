"""The two networks that the benchmark compares are the same network."""

import numpy as np
import pytest

from zoo.transformer import GPT, GPTConfig

torch = pytest.importorskip("torch")
CONFIG = GPTConfig(vocabulary_size=11, context=12, layers=2, width=32, heads=4)


@pytest.fixture(scope="module")
def networks():
    from tests.bench.peers.torch_gpt import TorchGPT

    ours, theirs = GPT(CONFIG), TorchGPT(CONFIG)
    random = np.random.RandomState(0)
    for variable in ours.trainable_variables:
        variable.assign(random.normal(0, 0.5, variable.shape))
    theirs.take(ours)
    return ours, theirs


def test_both_networks_have_the_same_loss(networks):
    ours, theirs = networks
    tokens = np.random.RandomState(0).randint(0, 11, (3, 13))
    loss = theirs(torch.from_numpy(tokens[:, :-1].copy()), torch.from_numpy(tokens[:, 1:].copy()))
    expected = float(ours.validation_loss((tokens[:, :-1], tokens[:, 1:])))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


@torch.inference_mode()
def test_reading_on_gives_the_logits_of_reading_all(networks):
    ours, theirs = networks
    ids = np.random.RandomState(0).randint(0, 11, (1, 8))
    cache = theirs.empty_cache()
    for part in (slice(0, 5), slice(5, 6), slice(6, 8)):
        places = torch.arange(part.start, part.stop)
        logits = theirs.read(torch.from_numpy(ids[:, part]), places, cache)
        expected = np.asarray(ours(ids[:, : part.stop]))[:, -1]
        np.testing.assert_allclose(logits, expected, atol=1e-4)
