import copy
import gc
import logging
import weakref

import numpy as np
import pytest
from keras import ops

from export import ExportError
from export.bundling import variants
from export.bundling.variants import chosen_forms, write_variants
from export.families.exporter import Exporter
from export.families.forms import Form, Made
from export.families.vae_graphs import graphs
from export.graph.converter import convert
from export.graph.precision import reduce_precision
from export.proof.linter import lint
from export.proof.parity import prove, runner
from serving.bundle.manifest import Quality
from serving.errors import UsageError
from tests.export.graph.toys import toy
from tests.zoo.vae import tiny


class Toys(Exporter):
    """A model of one graph, whose quality is what the test says."""

    graphs = processing = samples = evaluate = limitations = snippet = None

    def __init__(self, spec, values, better="lower"):
        self.graphs = [spec]
        self.values, self.better = iter(values), better
        self.measured = 0

    def write(self, names, directory):
        """Write the variants of these names."""
        return write_variants(self, chosen_forms(self, names), directory)

    def calibration(self, spec):
        return [spec.sample(8, seed) for seed in range(4)]

    def quality(self, runners):
        self.measured += 1
        value = next(self.values)
        return Quality(
            metric="nll", value=value, change=0, definition="told", samples=1, better=self.better
        )


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
    toys = Toys(toy(lambda z: {"image": dense(z)}), values=[100.0, 100.5, 99.5])
    written = toys.write(["int8", "fp16", "fp32"], tmp_path)
    assert list(written) == ["fp32", "fp16", "int8"]
    devices = {name: variant.devices for name, variant in written.items()}
    assert devices == {"fp32": ["cpu", "cuda", "web"], "fp16": ["cuda"], "int8": ["cpu", "web"]}
    assert {variant.form for variant in written.values()} == {"portable"}
    assert all(variant.runtimes == {"onnxruntime": "1.17"} for variant in written.values())
    assert {name: variant.quality.change for name, variant in written.items()} == {
        "fp32": 0.0,
        "fp16": 0.5,
        "int8": -0.5,
    }
    files = ["decoder.fp16.onnx", "decoder.int8.onnx", "decoder.onnx"]
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    assert written["fp32"].parity < 1e-5 < written["fp16"].parity < written["int8"].parity


def test_of_each_variant_nothing_is_held_when_the_next_is_made(tmp_path, dense, monkeypatch):
    held, left = [], []
    run = variants.runner

    def watched(file):
        assert file.is_file()  # what is proved is what was written
        found = run(file)
        held.append(weakref.ref(found))
        return found

    def made(first):
        gc.collect()
        left.append(sum(each() is not None for each in held))
        graphs = {role: copy.deepcopy(graph) for role, graph in first.graphs.items()}
        again = Made(first.specs, graphs)
        held.append(weakref.ref(again))
        return again

    monkeypatch.setattr(variants, "runner", watched)
    toys = Toys(toy(lambda z: {"image": dense(z)}), values=[100.0] * 4)
    forms = [Form(f"again-{count}", made, ("cpu",), exact=True) for count in range(3)]
    assert len(write_variants(toys, forms, tmp_path)) == 3
    assert left == [0, 0, 0] and len(held) == 7  # with the float32 graph, which all are made of
    names = [f"decoder.again-{count}.onnx" for count in range(3)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_a_variant_whose_quality_suffers_is_left_out(tmp_path, dense, caplog):
    toys = Toys(toy(lambda z: {"image": dense(z)}), values=[100.0, 101.5])
    with caplog.at_level(logging.WARNING, "export"):
        written = toys.write(["fp32", "int8"], tmp_path)
    assert list(written) == ["fp32"]
    assert [path.name for path in tmp_path.iterdir()] == ["decoder.onnx"]
    assert "int8: nll 101.5000, +1.5000 against fp32, over 1: left out" in caplog.text


def test_no_variant_good_enough_is_an_error(tmp_path, dense):
    toys = Toys(toy(lambda z: {"image": dense(z)}), values=[100.0, 110.0])
    with pytest.raises(ExportError, match="int8: not good enough to be written"):
        toys.write(["int8"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_exact_differs_by_rounding(tmp_path, dense):
    toys = Toys(toy(lambda z: {"image": dense(z)}), [100.0, 100.0001])
    again = Form("again", lambda made: made, ("cpu",), exact=True)
    assert write_variants(toys, [again], tmp_path)["again"].quality.change > 0


@pytest.mark.parametrize(("better", "value"), [("lower", 90.0), ("higher", 110.0)])
def test_a_change_for_the_better_is_no_fault(tmp_path, dense, better, value):
    toys = Toys(toy(lambda z: {"image": dense(z)}), [100.0, value], better)
    assert toys.write(["int8"], tmp_path)["int8"].quality.loss == -10
    worse = Toys(toy(lambda z: {"image": dense(z)}), [100.0, 200 - value], better)
    with pytest.raises(ExportError, match="int8: not good enough"):
        worse.write(["int8"], tmp_path)


def test_a_variant_that_there_is_not_is_hinted_at():
    toys = Toys(toy(lambda z: {"image": z}), [])
    with pytest.raises(UsageError, match="unknown variant 'int9'; did you mean 'int8'"):
        chosen_forms(toys, ["fp32", "int9"])
    with pytest.raises(UsageError, match="unknown variant 'fused'; there are fp32, fp16, int8"):
        chosen_forms(toys, ["fused"])


def test_float32_alone_needs_no_data(tmp_path, dense):
    toys = Toys(toy(lambda z: {"image": dense(z)}), values=[])
    assert toys.write(["fp32"], tmp_path)["fp32"].quality is None
    assert toys.measured == 0


def test_a_graph_that_does_not_survive_half_precision_is_left_out(tmp_path, caplog):
    spec = toy(lambda z: {"image": ops.exp(20 * z)})  # float16 ends at 65504
    with caplog.at_level(logging.WARNING, "export"):
        written = Toys(spec, values=[1.0]).write(["fp32", "fp16"], tmp_path)
    assert list(written) == ["fp32"]
    assert "decoder: no fp16 variant can be made" in caplog.text
    assert "float16 ends at 65504: left out" in caplog.text
