"""What operators may look like: as exporters write them, and not as they end the process."""

import numpy as np
import onnx
import pytest
from onnx import defs, helper, numpy_helper

from serving.bundle.manifest import read_manifest
from serving.bundle.records import BundleError
from serving.catalogue import MODELS
from serving.graphs.moves import slices
from serving.graphs.operators import OPERATORS, OPSETS, STANDARD
from serving.graphs.protobuf import DTYPES
from serving.graphs.shapes import RULES, Array, Call
from serving.loader import checked_graphs
from tests.serving.graphs.graphs import DOMAIN, changed, check, from_x, fused, graph, node, port


def refusal(model, interface, window=None):
    with pytest.raises(BundleError) as caught:
        check(model, interface, window)
    return str(caught.value)


@pytest.mark.parametrize("name", sorted(path.name for path in MODELS.iterdir() if path.is_dir()))
def test_every_published_graph_passes(name):
    manifest = read_manifest(MODELS / name)
    window = manifest.processing.get("context")
    here = [
        variant
        for variant, described in manifest.variants.items()
        if all((MODELS / name / file).exists() for file in described.graphs.values())
    ]
    assert here and all(checked_graphs(MODELS / name, manifest, each, window) for each in here)


def test_the_table_is_of_the_standard():
    """Each operator exists in each version that is let in, and takes what it must."""
    for name, operator in STANDARD.items():
        for version in OPSETS:
            if name == "Gelu" and version < 20:
                continue
            schema = defs.get_schema(name, version)
            assert not schema.deprecated
            assert operator.inputs[0] >= schema.min_input, name
            assert operator.inputs[-1] <= schema.max_input, name
            assert operator.outputs[-1] <= schema.max_output, name
        assert set(operator.attributes) <= set(schema.attributes), name  # of the last


def test_every_operator_has_a_rule():
    tables = [STANDARD, *OPERATORS.values()]
    assert {operator.rule for table in tables for operator in table.values()} == set(RULES)


LEFT_OUT = [
    *("If", "Loop", "Scan", "SequenceConstruct", "SequenceMap", "Optional", "StringConcat"),
    *("RandomNormal", "RandomUniformLike", "Bernoulli", "Multinomial", "HammingWindow", "STFT"),
    *("DFT", "ImageDecoder", "Unique", "NonZero", "Compress", "EyeLike", "NonMaxSuppression"),
    *("LSTM", "GRU", "RNN", "NegativeLogLikelihoodLoss", "Upsample", "Scatter"),
]


@pytest.mark.parametrize("name", LEFT_OUT)
def test_operators_that_no_exporter_writes(name):
    assert "is not on the list of allowed ones" in refusal(*from_x([node(name, "x", "y")], {}))


ENDING = {  # of the process, by ONNX Runtime 1.31
    "a sum without its second": ([node("Sum", "x -", "y")], {}),
    "a mean without its second": ([node("Mean", "x -", "y")], {}),
    "a minimum without its second": ([node("Min", "x -", "y")], {}),
    "a maximum without its second": ([node("Max", "x - -", "y")], {}),
    "a product without its second": ([node("Einsum", "x -", "y", equation="ij,jk->ik")], {}),
    "no shift": (
        [node("LayerNormalization", "x scale -", "y", axis=-1)],
        {"scale": np.ones(4, np.float32)},
    ),
    "more parts than it says": ([node("Split", "x", "y z", axis=1, num_outputs=1)], {}),
    "fewer parts than it says": ([node("Split", "x", "y", axis=1, num_outputs=4)], {}),
    "a depth that is none": (
        [node("Cast", "x", "i", to=7), node("OneHot", "i depth values", "y")],
        {"depth": np.zeros(0, np.int64), "values": np.ones(2, np.float32)},
    ),
    "values that are no pair": (
        [node("Cast", "x", "i", to=7), node("OneHot", "i depth values", "y")],
        {"depth": np.int64(4), "values": np.ones((2, 2), np.float32)},
    ),
    "a window in the place of numbers": ([node("HammingWindow", "x", "y")], {}),
    "a division by zero": (
        [node("Cast", "x", "i", to=7), node("Div", "i zero", "j"), node("Cast", "j", "y", to=1)],
        {"zero": np.array([0])},
    ),
    "a remainder of zero": (
        [node("Cast", "x", "i", to=6), node("Mod", "i zero", "j"), node("Cast", "j", "y", to=1)],
        {"zero": np.array([0], np.int32)},
    ),
    "a division by what comes in": (
        [node("Cast", "x", "i", to=7), node("Div", "i i", "j"), node("Cast", "j", "y", to=1)],
        {},
    ),
    "the mean of nothing": (
        [
            node("Slice", "x start end axes", "nothing"),
            node("ReduceMean", "nothing axes", "m"),
            node("Add", "x m", "y"),
        ],
        {"start": np.array([4]), "end": np.array([9]), "axes": np.array([1])},
    ),
}


@pytest.mark.parametrize("what", ENDING)
def test_what_ends_the_process(what):
    refusal(*from_x(*ENDING[what]))


OTHER = {  # than what exporters write
    "attribute": ([node("Relu", "x", "y", evil=1)], {}),
    "attribute of another type": ([node("Softmax", "x", "y", axis=1.0)], {}),
    "attribute twice": ([node("Softmax", "x", "y", axis=1)], {}),
    "axis": ([node("Softmax", "x", "y", axis=2)], {}),
    "axis twice": ([node("ReduceSum", "x axes", "y")], {"axes": np.array([1, -1])}),
    "word": ([node("Pad", "x pads", "y", mode="evil")], {"pads": np.zeros(4, np.int64)}),
    "number": ([node("Elu", "x", "y", alpha=float("nan"))], {}),
    "type": ([node("Cast", "x", "y", to=8)], {}),
    "more inputs": ([node("Relu", "x x", "y")], {}),
    "no inputs": ([helper.make_node("Relu", [], ["y"])], {}),
    "more outputs": ([node("Relu", "x", "y z")], {}),
    "read too early": ([node("Relu", "a", "y"), node("Relu", "x", "a")], {}),
    "made twice": ([node("Relu", "x", "y"), node("Tanh", "x", "y")], {}),
    "made of nothing": ([node("Relu", "q", "y")], {}),
    "in place of an input": ([node("Relu", "x", "x"), node("Relu", "x", "y")], {}),
    "another shape": ([node("Transpose", "x", "y", perm=[1, 0])], {}),
    "another type": ([node("Cast", "x", "y", to=7)], {}),
    "sizes that do not fit": ([node("Add", "x five", "y")], {"five": np.ones(5, np.float32)}),
}


@pytest.mark.parametrize("what", OTHER)
def test_what_no_exporter_writes(what):
    model, interface = from_x(*OTHER[what])
    if what == "attribute twice":
        model.graph.node[0].attribute.append(helper.make_attribute("axis", 1))
    refusal(model, interface)


def test_a_name_of_any_length_is_cut_short():
    name = "\x1b[2J\n" + "e" * 10**6
    model, interface = from_x([node("Relu", "x", "y")], {})
    for change in (
        lambda made: setattr(made.graph.node[0], "op_type", name),
        lambda made: setattr(made.graph.node[0], "domain", name),
        lambda made: made.graph.node[0].input.__setitem__(0, name),
        lambda made: made.graph.node[0].attribute.append(helper.make_attribute(name, 1)),
        lambda made: setattr(made.graph.output[0], "name", name),
        lambda made: setattr(made.opset_import[1], "domain", name),
        lambda made: made.graph.initializer.add(name=name, data_type=1, dims=[7]),
        lambda made: setattr(made.graph.input[0].type.tensor_type.shape.dim[0], "dim_param", name),
    ):
        copy = onnx.ModelProto.FromString(model.SerializeToString())
        change(copy)
        message = refusal(copy, interface)
        assert len(message) < 500 and message.isprintable()


@pytest.mark.parametrize("field", ["cosine", "sine"])
@pytest.mark.parametrize("shape", [(2, 8), (12, 4), (12, 16), (12,), (12, 8, 1), (0, 8)])
def test_attention_turns_by_tables_of_its_heads(field, shape):
    model, interface = fused()
    check(model, interface, window=12)
    other = changed(model, **{field: np.zeros(shape, np.float32)})
    assert "GroupQueryAttention" in refusal(other, interface, window=12)


def test_attention_has_tables_for_the_whole_window():
    assert "GroupQueryAttention" in refusal(*fused(context=12), window=13)


def apart(query=32, key=32, value=32, given=("query", "key", "value"), **attributes):
    """The graph with queries, keys and values apart, as where they are normalised."""
    model, interface = fused()
    parts = [query, key, value]
    model.graph.initializer.append(numpy_helper.from_array(np.array(parts), "parts"))
    split = node("Split", "packed parts", "query key_ value_", axis=-1)
    model.graph.node.insert(7, split)
    attention = model.graph.node[8]
    for index, name in enumerate(["query", "key_", "value_"]):
        attention.input[index] = name if name.strip("_") in given else ""
    attention.attribute.extend(helper.make_attribute(*each) for each in attributes.items())
    return model, interface


def test_attention_takes_queries_keys_and_values_apart():
    check(*apart(), window=12)
    check(*apart(local_window_size=3), window=12)


@pytest.mark.parametrize(
    "change",
    [
        {"query": 16, "key": 48},
        {"key": 16, "value": 48},
        {"given": ("query", "key")},
        {"given": ("query", "value")},
        {"given": ("key", "value")},
        {"local_window_size": 0},
        {"local_window_size": -1},
        {"local_window_size": 2**40},
    ],
)
def test_attention_takes_nothing_else_apart(change):
    assert "GroupQueryAttention" in refusal(*apart(**change), window=12)


@pytest.mark.parametrize("less", [0, 2, -1, -(10**6), 2**31 - 1])
def test_attention_counts_what_the_mask_counts(less):
    """Where more is written than there is room for, the memory beyond it is."""
    model, interface = fused()
    assert "not those of a mask" in refusal(changed(model, one=np.int32(less)), interface)


def test_attention_counts_by_a_mask():
    model, interface = fused()
    model.graph.node[2].op_type = "Add"
    assert "not those of a mask" in refusal(model, interface)


@pytest.mark.parametrize("change", [{"K": 31}, {"N": 16}, {"bits": 4}, {"block_size": 16}])
def test_products_of_few_bits_have_the_bits(change):
    model, interface = fused()
    for attribute in model.graph.node[8].attribute:
        attribute.i = change.get(attribute.name, attribute.i)
    assert "MatMulNBits" in refusal(model, interface)


def test_statistics_are_not_read():
    """They are not computed."""
    nodes = [
        node("SkipSimplifiedLayerNormalization", "x x scale", "a m v y", DOMAIN, epsilon=1e-5),
        node("Add", "x m", "z"),
    ]
    shape = ("batch", 3, 4)
    ports = [port("x", *shape)], [port("y", *shape), port("z", *shape)]
    refusal(*graph(nodes, {"scale": np.ones(4, np.float32)}, *ports))


@pytest.mark.parametrize("start", [0, 1, -1, -9, 9])
@pytest.mark.parametrize("end", [0, 3, -2, 9, -(2**63) + 1, 2**63 - 1])
@pytest.mark.parametrize("step", [1, 2, -1, -3])
def test_slices_are_numpys(start, end, step):
    def known(*values):
        return Array((len(values),), 7, np.array(values, np.int64))

    array, result = np.zeros((4, 5)), np.zeros((4, 5))[:, start:end:step]
    call = Call([Array((4, 5), 1), known(start), known(end), known(1), known(step)], {}, ["y"])
    assert RULES["slice"](call)[0].shape == result.shape == array[slices(call)].shape


def test_types_are_onnxs():
    for kind, dtype in DTYPES.items():
        assert helper.tensor_dtype_to_np_dtype(kind) == dtype
