"""What open checkpoints need of a Transformer, in every form of its graph: as Keras."""

import pytest

from export import ExportError
from export.families.fusion import fuse
from export.families.gpt_graphs import fused, graphs, static
from export.graph.converter import OPSET, convert
from export.proof.linter import lint
from export.proof.parity import prove, runner
from serving.graphs.scan import check_graph
from tests.zoo.transformer import tiny_gpt

YARN = {"kind": "yarn", "factor": 4.0, "original_context": 4}
MODELS = {
    "normalised queries and keys": {"query_key_norm": True, "head_width": 48, "epsilon": 1e-3},
    "biases of queries, keys and values": {"attention_bias": "inputs", "rotary_base": 1e6},
    "windows, and layers without positions": {"windows": (3, 0), "unturned_layers": (1,)},
    "a window of all": {"windows": (12, 1), "kv_heads": 1, "query_key_norm": True},
    "heads turned in part": {"rotary_width": 16, "rotary_scaling": YARN},
    "exact gelu": {"activation": "gelu_exact", "normalisation": "layer", "epsilon": 1e-2},
}


def made(kind):
    sizes = {"width": 32, "heads": 4, "kv_heads": 2, "head_width": 32}
    return tiny_gpt.model("llama", **sizes | MODELS[kind])


@pytest.mark.long
@pytest.mark.parametrize("kind", MODELS)
def test_every_form_is_as_keras(kind):
    model = made(kind)
    [spec] = graphs(model)
    portable = convert(spec)
    described = static(spec, model)
    forms = {
        "portable": (spec, portable),
        "static": (described, convert(described)),
        "fused": (fused(spec, model), fuse(portable, model.config)),
    }
    for _, (form, graph) in forms.items():
        lint(graph, form)
        check_graph(graph.SerializeToString(), "model", form.interface, OPSET)
        assert prove(runner(graph), form) < 1e-4
    kinds = [node.op_type for node in forms["fused"][1].graph.node]
    assert kinds.count("GroupQueryAttention") == 2 and "Softmax" not in kinds


def test_what_the_operator_does_not_turn():
    model = tiny_gpt.model("llama", heads=1, width=32, rotary_width=8)
    with pytest.raises(ExportError, match="rotary positions of heads are 8 wide"):
        fuse(convert(graphs(model)[0]), model.config)
