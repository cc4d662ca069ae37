"""What a graph may cost is known before it is run: bombs are refused, and honest graphs pass."""

import itertools

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.bundle.records import BundleError, Interface, Port
from serving.graphs import sizes
from serving.graphs.protobuf import MOST_FIELDS
from tests.serving import tiny_text_bundle
from tests.serving.graphs.graphs import check, from_x, fused, node, port

HUGE = 2**40


def refusal(model, interface, window=None):
    with pytest.raises(BundleError) as caught:
        check(model, interface, window)
    return str(caught.value)


def whole(*values):
    return np.array(values, np.int64)


def doubled(kind, times=40):
    """Double a tensor again and again."""
    names = ["x", *(f"x{index}" for index in range(times))]
    if kind == "Concat":
        return [node(kind, f"{a} {a}", b, axis=1) for a, b in itertools.pairwise(names)]
    if kind == "Tile":
        return [node(kind, f"{a} twice", b) for a, b in itertools.pairwise(names)]
    return [node(kind, f"{a} scales", b, axis=1) for a, b in itertools.pairwise(names)]


BOMBS = {  # what is computed, and from which constants
    "ConstantOfShape": ([node("ConstantOfShape", "n", "b")], {"n": whole(HUGE)}),
    "Expand": ([node("Expand", "x n", "b")], {"n": whole(HUGE, 1, 4)}),
    "Tile": ([node("Tile", "x n", "b")], {"n": whole(1, HUGE)}),
    "Range": (
        [node("Range", "zero n one", "b")],
        {"zero": np.int64(0), "n": np.int64(HUGE), "one": np.int64(1)},
    ),
    "Range in small steps": (
        [node("Range", "zero n one", "b")],
        {"zero": np.float32(0), "n": np.float32(1), "one": np.float32(1e-12)},
    ),
    "Pad": ([node("Pad", "x n", "b")], {"n": whole(0, 0, 0, HUGE)}),
    "OneHot": (
        [node("Cast", "x", "i", to=7), node("OneHot", "i n values", "b")],
        {"n": np.int64(HUGE), "values": np.zeros(2, np.float32)},
    ),
    "Resize": ([node("Resize", "x - n", "b")], {"n": np.float32([1, 1e12])}),
    "Resize to a size": ([node("Resize", "x - - n", "b")], {"n": whole(1, HUGE)}),
    "doubling by Concat": (doubled("Concat"), {}),
    "doubling by Tile": (doubled("Tile"), {"twice": whole(1, 2)}),
    "an outer product": (
        [node("Expand", "one n", "a"), node("Expand", "one m", "c"), node("Mul", "a c", "b")],
        {"one": np.float32(1), "n": whole(2**16, 1), "m": whole(1, 2**16)},
    ),
    "a product of matrices": (
        [node("Expand", "one n", "a"), node("MatMul", "a a", "b")],
        {"one": np.float32(1), "n": whole(2**16, 2**16)},
    ),
    "Einsum": (
        [node("Expand", "one n", "a"), node("Einsum", "a a a", "b", equation="a,b,c->abc")],
        {"one": np.float32(1), "n": whole(2**14)},
    ),
    "an image enlarged by a convolution": (
        [node("Reshape", "x n", "a"), node("ConvTranspose", "a k", "b", strides=[2**18, 2**18])],
        {"n": whole(0, 1, 2, 2), "k": np.ones((1, 1, 2, 2), np.float32)},
    ),
    "a power of the batch": (
        [
            node("Shape", "x", "s", start=0, end=1),
            node("Concat", "s s s s s s", "n", axis=0),
            node("ConstantOfShape", "n", "b"),
        ],
        {},
    ),
    "many at once": (
        [
            *(node("Expand", "x n", f"a{index}") for index in range(5)),
            node("Sum", "a0 a1 a2 a3 a4", "b"),
        ],
        {"n": whole(2**19, 1, 4)},
    ),
    "constants that are made when it is loaded, and stay": (
        [
            part
            for index in range(40)
            for part in (
                node("Expand", "one n", f"a{index}"),
                node("ReduceSum", f"a{index}", f"c{index}"),
            )
        ],
        {"one": np.float32(1), "n": whole(2**24)},
    ),
    "work": (
        [
            node("Expand", "one n", "a0"),
            *(node("MatMul", f"a{index} a{index}", f"a{index + 1}") for index in range(90)),
        ],
        {"one": np.float32(1), "n": whole(2**12, 2**12)},
    ),
    "writing": (
        [
            node("Expand", "x n", "a0"),
            *(node("Relu", f"a{index}", f"a{index + 1}") for index in range(3000)),
        ],
        {"n": whole(2**18, 1, 4)},
    ),
    "a size that numbers say": (
        [node("Cast", "x", "i", to=7), node("ReduceMax", "i", "n"), node("Tile", "y n", "b")],
        {},
    ),
}


REASONS = [
    *("would have", "would be held", "too many multiplications", "an axis too large"),
    "does not follow from the sizes of the inputs",
]


@pytest.mark.parametrize("what", BOMBS)
def test_bombs(what):
    nodes, constants = BOMBS[what]
    message = refusal(*from_x([node("Relu", "x", "y"), *nodes], constants))
    assert any(words in message for words in REASONS), message


def test_a_port_of_any_size():
    shape = ("batch", 2**24)
    refusal(*from_x([node("Relu", "x", "y")], {}, shape, shape))


def test_a_file_of_very_many_operators():
    model, interface = from_x([node("Relu", "x", "y")], {})
    model.graph.node.extend([model.graph.node[0]] * (MOST_FIELDS // 3))
    assert "more than" in refusal(model, interface)


def test_a_list_of_very_many_numbers():
    nodes = [node("Constant", "", "c", value_ints=[0] * 100), node("Relu", "x", "y")]
    nodes[0].input.clear()
    assert "more than 64 ints" in refusal(*from_x(nodes, {}))


def test_what_is_let_go_counts_no_longer():
    """Three gigabytes are written, of which little is held at once."""
    steps = [node("Relu", f"a{index}", f"a{index + 1}") for index in range(400)]
    nodes = [node("Expand", "x n", "a0"), *steps, node("ReduceSum", "a400 zero", "y", keepdims=0)]
    check(*from_x(nodes, {"n": whole(2**13, 1, 4), "zero": whole(0)}))


def test_images_may_be_large_where_they_go_in_and_out():
    """Sixty-four colour images of 512 x 512, with 16 channels within."""
    shape = ("batch", 3, 512, 512)
    kernels = {"k": np.ones((16, 3, 3, 3), np.float32), "l": np.ones((3, 16, 3, 3), np.float32)}
    nodes = [node("Conv", "x k", "a", pads=[1] * 4), node("Conv", "a l", "y", pads=[1] * 4)]
    check(*from_x(nodes, kernels, shape, shape))


def test_pictures_of_any_size_may_be_mirrored_at_their_edges():
    shape = ("batch", "height", "width", 3)
    pads = {"p": np.array([0, 4, 4, 0] * 2)}
    nodes = [node("Pad", "x p", "a", mode="reflect"), node("Slice", "a s e t", "y")]
    cut = {"s": np.array([4, 4]), "e": np.array([-4, -4]), "t": np.array([1, 2])}
    check(*from_x(nodes, pads | cut, shape, shape))


def test_the_uses_of_text():
    _, interface = fused()
    found = [dict(use.sizes) for use in sizes.uses(interface, window=12)]
    assert [(use["batch"], use["sequence"], use["past"]) for use in found] == [
        (1, 1, 0),
        (1, 12, 0),
        (sizes.TEXTS, 8, 4),
    ]
    assert all(use["total"] == use["past"] + use["sequence"] for use in found)
    most = sizes.uses(interface, window=10**9)
    assert all(size <= sizes.KEPT for use in most for size in use.sizes.values())


def test_of_a_source_all_is_kept_as_soon_as_anything_is():
    names = ("encoder_sequence_length", "past_encoder_sequence_length")
    names += ("decoder_sequence_length", "past_decoder_sequence_length")
    ports = [Port(name=f"x{at}", dtype="float32", axes=[name], meaning="")
             for at, name in enumerate(names)]  # fmt: skip
    uses = sizes.uses(Interface(inputs=ports, outputs=[]), window=12)
    found = [tuple(use.sizes[name] for name in names) for use in uses]
    assert found == [(1, 0, 1, 0), (12, 0, 12, 0), (12, 12, 8, 4)]


def test_the_tiny_model_of_text_passes_in_any_window():
    inputs, outputs = (
        [
            port(name, *tiny_text_bundle.AXES[name], dtype=dtype)
            for name, dtype in zip(names, types, strict=True)
        ]
        for names, types in (
            (tiny_text_bundle.INPUTS, ["int64"] * 3 + ["float32"] * 2),
            (tiny_text_bundle.OUTPUTS, ["float32"] * 3),
        )
    )
    interface = fused()[1].model_copy(update={"inputs": inputs, "outputs": outputs})
    for window in (1, 2, 16, 1000):
        check(tiny_text_bundle.graph(), interface, window)


SMALL = st.integers(1, 4)
SHAPES = st.lists(SMALL, min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.data())
def test_shapes_are_onnx_runtimes(shape, data):
    """A few operators in a row give what is worked out beforehand."""
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    order = data.draw(st.permutations(range(len(shape))))
    repeats = data.draw(st.lists(SMALL, min_size=len(shape), max_size=len(shape)))
    keeps = data.draw(st.integers(0, 1))
    nodes = [
        node("Tile", "x repeats", "a"),
        node("Transpose", "a", "b", perm=order),
        node("Concat", "b b", "c", axis=axis),
        node("ReduceMax", "c axis", "d", keepdims=keeps),
        node("Unsqueeze", "d first", "e"),
        node("Shape", "e", "s"),
        node("Expand", "e s", "f"),
        node("Slice", "f start end first", "y"),
    ]
    constants = {"repeats": whole(*repeats), "axis": whole(axis), "first": whole(0)}
    constants |= {"start": whole(-1), "end": whole(2**31)}
    array = np.transpose(np.tile(np.zeros(shape, np.float32), repeats), order)
    array = np.concatenate([array, array], axis).max(axis, keepdims=bool(keeps))[None]
    model, interface = from_x(nodes, constants, shape, array.shape)
    check(model, interface)
    other = (*array.shape[:-1], array.shape[-1] + 1)
    refusal(*from_x(nodes, constants, shape, other))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (found,) = session.run(["y"], {"x": np.zeros(shape, np.float32)})
    assert found.shape == array.shape


def test_declared_shapes_of_results_are_true():
    """Optimizers believe them."""
    model, interface = from_x([node("Relu", "x", "a"), node("Relu", "a", "y")], {})
    declared = model.graph.value_info.add(name="a")
    declared.type.tensor_type.elem_type = 1
    declared.type.tensor_type.shape.dim.add().dim_param = "batch"
    size = declared.type.tensor_type.shape.dim.add()
    size.dim_value = 4
    check(model, interface)
    size.dim_value = 4096
    assert "is declared as" in refusal(model, interface)
