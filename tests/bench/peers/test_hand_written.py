"""The graph written by hand is the network that it is compared with."""

import numpy as np

from export.families.fusion import fuse
from export.families.gpt_graphs import draw, graphs
from export.graph import converter
from export.proof.parity import runner
from tests.bench.peers import hand_written
from zoo.transformer import GPT, GPTConfig


def test_it_computes_what_the_exported_graph_computes_in_no_more_operators():
    config = GPTConfig(vocabulary_size=20, layers=2, width=64, heads=2, context=16)
    model = GPT(config)
    [spec] = graphs(model)
    exported = fuse(converter.convert(spec), config)
    by_hand = hand_written.graph(model)
    assert len(by_hand.graph.node) <= len(exported.graph.node)
    inputs = draw(model, 2, 1, 6, seed=0, padding=0)
    expected, found = (runner(graph)(inputs) for graph in (exported, by_hand))
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-5)
