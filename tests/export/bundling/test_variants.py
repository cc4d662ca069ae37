import logging

import numpy as np
import pytest
from keras import ops

from export import ExportError
from export.bundling.variants import VARIANTS, write_variants
from export.families.vae_graphs import graphs
from export.graph.converter import convert
from export.graph.precision import reduce_precision
from export.proof.linter import lint
from export.proof.parity import prove, runner
from serving.bundle.manifest import Quality
from tests.export.graph.toys import toy
from tests.zoo.vae import tiny


class Toys(Family):
    """A family of one graph, whose quality is what the test says."""

    def __init__(self, spec, values):
        self.graphs = [spec]
        self.values = iter(values)
        self.measured = 0

    def calibration(self, spec):
        return [spec.sample(8, seed) for seed in range(4)]

    def quality(self, runners):
        self.measured += 1
        value = next(self.values)
        return Quality(metric="nll", value=value, change=0.0, definition="as told", samples=1)


@pytest.mark.parametrize("kind", ["conditional", "conditional dense"])
@pytest.mark.parametrize("variant", ["fp16", "int8"])
def test_every_graph_in_fewer_bits_is_near_and_keeps_its_ports(kind, variant):
    limit = {"fp16": 2e-2, "int8": 0.5}[variant]
    for spec in graphs(tiny.model(kind)):
        exact = convert(spec)
        before = exact.SerializeToString()
        reduced = reduce_precision(
            exact, variant, lambda spec=spec: [spec.sample(16, seed) for seed in range(4)]
        )
        assert exact.SerializeToString() == before
        lint(reduced, spec)  # float32 in and out, standard operators, sorted nodes
        run = runner(reduced)
        assert prove(run, spec, limit=limit) > 0 or spec.role == "prior"
        # A row depends on itself alone: the same seed gives the same image in any batch.
        inputs = spec.sample(9, 0)
        whole, part = run(inputs), run({name: array[:4] for name, array in inputs.items()})
        for name in whole:
            np.testing.assert_allclose(whole[name][:4], part[name], rtol=1e-5, atol=1e-6)


def test_the_smaller_variants_are_smaller():
    spec = graphs(tiny.model("dense"))[0]
    exact = convert(spec)
    for variant in ("fp16", "int8"):
        reduced = reduce_precision(exact, variant, lambda: [spec.sample(8, 0)])
        assert len(reduced.SerializeToString()) < 0.75 * len(exact.SerializeToString())


def test_variants_are_measured_against_float32(tmp_path, dense):
    family = Toys(toy(lambda z: {"image": dense(z)}), values=[100.0, 100.5, 99.5])
    written = write_variants(family, list(VARIANTS), tmp_path)
    assert {name: variant.quality.change for name, variant in written.items()} == {
        "fp32": 0.0,
        "fp16": 0.5,
        "int8": -0.5,
    }
    files = ["decoder.fp16.onnx", "decoder.int8.onnx", "decoder.onnx"]
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    assert written["fp32"].parity < 1e-5 < written["fp16"].parity < written["int8"].parity


def test_a_variant_whose_quality_suffers_is_left_out(tmp_path, dense, caplog):
    family = Toys(toy(lambda z: {"image": dense(z)}), values=[100.0, 101.5])
    with caplog.at_level(logging.WARNING, "export"):
        written = write_variants(family, ["fp32", "int8"], tmp_path)
    assert list(written) == ["fp32"]
    assert [path.name for path in tmp_path.iterdir()] == ["decoder.onnx"]
    assert "int8: nll 101.5000, +1.5000 against fp32, over 1: left out" in caplog.text


def test_no_variant_good_enough_is_an_error(tmp_path, dense):
    family = Toys(toy(lambda z: {"image": dense(z)}), values=[100.0, 90.0])
    with pytest.raises(ExportError, match="int8: not good enough to be written"):
        write_variants(family, ["int8"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_float32_alone_needs_no_data(tmp_path, dense):
    family = Toys(toy(lambda z: {"image": dense(z)}), values=[])
    assert write_variants(family, ["fp32"], tmp_path)["fp32"].quality is None
    assert family.measured == 0


def test_a_graph_that_does_not_survive_half_precision_is_left_out(tmp_path, caplog):
    spec = toy(lambda z: {"image": ops.exp(20 * z)})  # float16 ends at 65504
    with caplog.at_level(logging.WARNING, "export"):
        written = write_variants(Toys(spec, values=[1.0]), ["fp32", "fp16"], tmp_path)
    assert list(written) == ["fp32"]
    assert "decoder: no fp16 variant can be made" in caplog.text
    assert "float16 ends at 65504: left out" in caplog.text
