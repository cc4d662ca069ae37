import re
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from keras import ops

import export
from export import ExportError
from export.families.vae_graphs import graphs
from export.graph.converter import OPSET, convert
from export.proof.graphs import GraphSpec
from export.proof.linter import lint
from export.proof.parity import prove, prove_sensitive, runner
from serving.bundle.records import Port
from tests.export.graph.toys import SIZE, port, toy
from tests.zoo.vae import tiny


def kinds(model):
    return [node.op_type for node in model.graph.node]


def test_names_axes_and_order_are_the_declared_ones(dense):
    # tf2onnx would sort the outputs by name, and call the first axis unk__0.
    spec = toy(lambda z: {"image": dense(z), "a_first": 2 * z}, outputs=("image", "a_first"))
    model = convert(spec)
    lint(model, spec)
    assert [output.name for output in model.graph.output] == ["image", "a_first"]
    axes = model.graph.input[0].type.tensor_type.shape.dim
    assert (axes[0].dim_param, axes[1].dim_value) == ("batch_size", SIZE)
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", OPSET)]
    assert (model.graph.name, model.producer_name) == ("decoder", "genzoo")
    assert not model.graph.doc_string and not model.doc_string


def test_an_output_that_is_an_input_keeps_its_name():
    spec = toy(lambda z: {"image": z, "copy": z}, outputs=("image", "copy"))
    model = convert(spec)
    lint(model, spec)
    assert prove(runner(model), spec) == 0


def test_a_dense_layer_is_one_operator(dense):
    assert kinds(convert(toy(lambda z: {"image": dense(z)}))) == ["Gemm"]


def test_what_is_looked_up_by_place_is_not_looked_up_by_value():
    table = np.random.RandomState(0).normal(size=(8, 3)).astype("float32")

    def call(ids):
        places = ops.expand_dims(ops.arange(ops.shape(ids)[1], dtype="int32"), 0)
        return {"rows": ops.take(table, ids, axis=0) + ops.take(table, places, axis=0)}

    spec = GraphSpec(
        role="model",
        signature="serve",
        call=call,
        inputs=(Port(name="ids", dtype="int64", axes=["batch_size", "length"], meaning=""),),
        outputs=(Port(name="rows", dtype="float32", axes=["batch_size", "length", 3], meaning=""),),
        sample=lambda count, seed: {"ids": np.random.RandomState(seed).randint(0, 8, (count, 5))},
    )
    model = convert(spec)
    lint(model, spec)
    assert prove(runner(model), spec) < 1e-6


def test_exact_gelu_has_no_erfc(dense):
    spec = toy(lambda z: {"image": keras.activations.gelu(dense(z))})
    model = convert(spec)
    lint(model, spec)
    assert "Erf" in kinds(model)
    assert prove(runner(model), spec) < 1e-5


def test_reshapes_lose_their_shape_arithmetic():
    layer = keras.layers.GroupNormalization(2)
    layer.build((None, 4, 4, 4))
    spec = GraphSpec(
        role="encoder",
        signature="encode",
        call=lambda image: {"mean": layer(image)},
        inputs=(port("image", 4, 4, 4),),
        outputs=(port("mean", 4, 4, 4),),
        sample=lambda count, seed: {
            "image": np.random.RandomState(seed).rand(count, 4, 4, 4).astype(np.float32)
        },
    )
    model = convert(spec)
    assert not {"Shape", "Cast", "Slice", "Concat", "Gather"} & set(kinds(model))
    assert prove(runner(model), spec) < 1e-5


@pytest.mark.parametrize(
    "kind", ["dense", "conditional dense", "convolutional", "conditional", "colour"]
)
def test_every_graph_of_every_vae_is_faithful(kind):
    model = tiny.model(kind)
    roles = []
    for spec in graphs(model):
        graph = convert(spec)
        lint(graph, spec)
        run = runner(graph)
        assert prove(run, spec) < 1e-4  # at batch 1, 3, 64 and 257
        prove_sensitive(run, spec)
        roles.append(spec.role)
    assert roles == ["decoder", "encoder"] + ["prior"] * bool(model.config.classes)


def test_images_are_transposed_at_the_ends_only():
    # NHWC in Keras, NCHW in ONNX: a pair around every convolution would cost more than it does.
    for spec in graphs(tiny.model("colour")):
        found = kinds(convert(spec))
        assert found.count("Transpose") <= 1 + len(spec.outputs) < found.count("Tanh")


def test_what_cannot_be_traced_is_an_error_of_ours():
    def call(z):
        raise TypeError("no such thing\nand more")

    with pytest.raises(ExportError, match=r"^decoder: tf2onnx cannot convert it: no such thing$"):
        convert(toy(call))


def test_weights_stay_in_the_file(dense):
    model = onnx.ModelProto.FromString(
        convert(toy(lambda z: {"image": dense(z)})).SerializeToString()
    )
    assert any(ops.shape(dense.kernel) == tuple(tensor.dims) for tensor in model.graph.initializer)


def test_nothing_else_imports_tf2onnx():
    sources = Path(export.__file__).parent.parent.glob("[ezs]*/**/*.py")
    importers = [
        path.name for path in sources if re.search(r"(import|from) tf2onnx", path.read_text())
    ]
    assert importers == ["converter.py"]
