"""Graphs of standard ONNX are what the standard's own evaluator computes, which is plain NumPy."""

import warnings

import numpy as np
import pytest
from onnx.reference import ReferenceEvaluator

from export.families import gan, gpt_graphs, vae_graphs
from export.graph.converter import convert
from export.graph.precision import reduce_precision
from export.proof.parity import runner
from tests.zoo.gan import tiny_gan
from tests.zoo.transformer import tiny_gpt
from tests.zoo.vae import tiny

# Of the largest output. In fewer bits what is all but even may be rounded either way.
LIMITS = {"fp32": 1e-5, "fp16": 1e-2, "int8": 3e-2}


def vae(kind):
    return vae_graphs.graphs(tiny.model(kind))


def generator(kind):
    return gan.graphs(tiny_gan.model(tiny_gan.config(kind, "auxiliary")))


def gpt(kind):
    model = tiny_gpt.model(kind)
    [spec] = gpt_graphs.graphs(model)
    return [spec, gpt_graphs.static(spec, model)]


CASES = [
    *((vae, kind) for kind in ("dense", "colour", "conditional", "conditional dense")),
    *((generator, kind) for kind in tiny_gan.SIZES),
    *((gpt, kind) for kind in tiny_gpt.MODELS),
]


@pytest.mark.long
@pytest.mark.parametrize(("graphs", "kind"), CASES)
def test_the_reference_evaluator_takes_every_graph(graphs, kind):
    for spec in graphs(kind):
        inputs = spec.sample(3, 5)
        exact = convert(spec)
        for form, limit in LIMITS.items():
            graph = exact
            if form != "fp32":
                graph = reduce_precision(exact, form, lambda real=inputs: [real])
            expected = runner(graph)(inputs).values()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of what the evaluator does with types
                found = ReferenceEvaluator(graph).run(None, inputs)
            for one, other in zip(found, expected, strict=True):
                allowed = limit * max(1.0, float(np.abs(other).max()))
                np.testing.assert_allclose(one, other, rtol=0, atol=allowed, err_msg=form)
