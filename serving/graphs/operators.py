"""The operators that a graph of the zoo may hold: what exporters emit, and nothing else.

No operator is here that holds other graphs, draws numbers, takes text, or has a result as large as
the values of its input say; so what a graph costs follows from the sizes of what goes in
(`serving.graphs.sizes`). A new one is a line here, and a function where no rule fits it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from serving.graphs.protobuf import DTYPES

OPSETS = range(18, 22)  # versions of the standard's operators that the table is true of
DOMAIN = "com.microsoft"  # of ONNX Runtime's own

# Name, numbers of inputs and outputs, the rule of `serving.graphs.shapes` or `products` that gives
# the shape of the results, and attributes; what each may be is said here or below.
_STANDARD = """
Abs                   1    1    same
Acos                  1    1    same
Acosh                 1    1    same
Add                   2    1    broadcast
And                   2    1    logical
ArgMax                1    1    arg        axis keepdims select_last_index
ArgMin                1    1    arg        axis keepdims select_last_index
Asin                  1    1    same
Asinh                 1    1    same
Atan                  1    1    same
Atanh                 1    1    same
AveragePool           1    1    pool       auto_pad kernel_shape pads strides
BatchNormalization    5    1    channels   epsilon momentum training_mode
Cast                  1    1    cast       saturate to
Ceil                  1    1    same
Celu                  1    1    same       alpha
Clip                  1-3  1    limited
Concat                1-64 1    concat     axis
Constant              0    1    constant   value value_float value_floats value_int value_ints
ConstantOfShape       1    1    filled     value
Conv                  2-3  1    conv       auto_pad dilations group kernel_shape pads strides
ConvInteger           2-4  1    conv       auto_pad dilations group kernel_shape pads strides
ConvTranspose         2-3  1    upconv     auto_pad dilations group kernel_shape output_padding output_shape pads strides
Cos                   1    1    same
Cosh                  1    1    same
CumSum                2    1    along      exclusive reverse
DepthToSpace          1    1    to_space   blocksize mode
DequantizeLinear      2-3  1    dequantize axis
Div                   2    1    divide
DynamicQuantizeLinear 1    3    rounding
Einsum                1-4  1    einsum     equation
Elu                   1    1    same       alpha
Equal                 2    1    compare
Erf                   1    1    same
Exp                   1    1    same
Expand                2    1    expand
Flatten               1    1    flatten    axis
Floor                 1    1    same
Gather                2    1    gather     axis
GatherElements        2    1    pick       axis
GatherND              2    1    gather_nd  batch_dims
Gelu                  1    1    same       approximate
Gemm                  2-3  1    gemm       alpha beta transA transB
GlobalAveragePool     1    1    whole
GlobalMaxPool         1    1    whole
Greater               2    1    compare
GreaterOrEqual        2    1    compare
HardSigmoid           1    1    same       alpha beta
HardSwish             1    1    same
Identity              1    1    same
InstanceNormalization 3    1    channels   epsilon
IsInf                 1    1    test       detect_negative detect_positive
IsNaN                 1    1    test
LayerNormalization    2-3  1    trailing   axis epsilon stash_type
LeakyRelu             1    1    same       alpha
Less                  2    1    compare
LessOrEqual           2    1    compare
Log                   1    1    same
LogSoftmax            1    1    same       axis
LpNormalization       1    1    same       axis p
MatMul                2    1    matmul
MatMulInteger         2-4  1    matmul
Max                   1-8  1    broadcast
MaxPool               1    1    pool       auto_pad dilations kernel_shape pads strides
Mean                  1-8  1    broadcast
Min                   1-8  1    broadcast
Mish                  1    1    same
Mod                   2    1    divide     fmod
Mul                   2    1    broadcast
Neg                   1    1    same
Not                   1    1    test
OneHot                3    1    one_hot    axis
Or                    2    1    logical
PRelu                 2    1    broadcast
Pad                   2-4  1    pad        mode
Pow                   2    1    broadcast
QuantizeLinear        2-3  1    quantize   axis saturate
Range                 3    1    range
Reciprocal            1    1    same
ReduceL1              1-2  1    reduce     keepdims noop_with_empty_axes
ReduceL2              1-2  1    reduce     keepdims noop_with_empty_axes
ReduceLogSum          1-2  1    reduce     keepdims noop_with_empty_axes
ReduceLogSumExp       1-2  1    reduce     keepdims noop_with_empty_axes
ReduceMax             1-2  1    reduce     keepdims noop_with_empty_axes
ReduceMean            1-2  1    reduce     keepdims noop_with_empty_axes
ReduceMin             1-2  1    reduce     keepdims noop_with_empty_axes
ReduceProd            1-2  1    reduce     keepdims noop_with_empty_axes
ReduceSum             1-2  1    reduce     keepdims noop_with_empty_axes
ReduceSumSquare       1-2  1    reduce     keepdims noop_with_empty_axes
Relu                  1    1    same
Reshape               2    1    reshape    allowzero
Resize                2-4  1    resize     coordinate_transformation_mode cubic_coeff_a exclude_outside mode nearest_mode
ReverseSequence       2    1    reversed   batch_axis time_axis
Round                 1    1    same
ScatterElements       3    1    scatter    axis reduction
ScatterND             3    1    scatter_nd reduction
Selu                  1    1    same       alpha gamma
Shape                 1    1    shape      end start
Sigmoid               1    1    same
Sign                  1    1    same
Sin                   1    1    same
Sinh                  1    1    same
Size                  1    1    size
Slice                 3-5  1    slice
Softmax               1    1    same       axis
Softplus              1    1    same
Softsign              1    1    same
SpaceToDepth          1    1    to_depth   blocksize
Split                 1-2  1-64 split      axis num_outputs
Sqrt                  1    1    same
Squeeze               1-2  1    squeeze
Sub                   2    1    broadcast
Sum                   1-8  1    broadcast
Tan                   1    1    same
Tanh                  1    1    same
ThresholdedRelu       1    1    same       alpha
Tile                  2    1    tile
TopK                  2    2    top_k      axis largest sorted
Transpose             1    1    transpose  perm
Trilu                 1-2  1    triangle   upper
Unsqueeze             2    1    unsqueeze
Where                 3    1    where
Xor                   2    1    logical
"""  # noqa: E501
_RUNTIME = """
GatherBlockQuantized             3-4  1    rows       bits block_size gather_axis quantize_axis
GroupQueryAttention              7-9  3    attention  do_rotary kv_num_heads local_window_size num_heads rotary_interleaved
MatMulNBits                      3-4  1    few_bits   K N accuracy_level bits block_size
SkipLayerNormalization           3-4  1-4  residual   epsilon
SkipSimplifiedLayerNormalization 3    1-4  residual   epsilon
"""  # noqa: E501


class Attribute(NamedTuple):
    """What an attribute may be: the number of its type, the field it is in, and a test of it."""

    type: int
    field: str
    fits: Callable[[Any], bool]


class Operator(NamedTuple):
    """What a node of this operator may look like."""

    name: str
    inputs: range
    outputs: range
    rule: str
    attributes: Mapping[str, Attribute]


def _one_of(words: str) -> Attribute:
    values = words.split(",")
    if values[0].isdecimal():
        return _INT._replace(fits=frozenset(map(int, values)).__contains__)
    return _TEXT._replace(fits=frozenset(values).__contains__)


def _from(low: int, high: int = 2**20) -> Attribute:
    return _INT._replace(fits=lambda value: low <= value <= high)


def _each_from(low: int, high: int = 2**20) -> Attribute:
    return _INTS._replace(fits=lambda values: all(low <= value <= high for value in values))


# The types are numbered as in onnx.proto. Tensors were checked when they were read.
_FLOAT = Attribute(1, "f", math.isfinite)
_INT = Attribute(2, "i", lambda _: True)
_TEXT = Attribute(3, "s", lambda value: len(value) <= 64)
_TENSOR = Attribute(4, "t", lambda value: "external_data" not in value)
_FLOATS = Attribute(6, "floats", lambda values: all(map(math.isfinite, values)))
_INTS = Attribute(7, "ints", lambda _: True)
_FLAG = _one_of("0,1")

_ATTRIBUTES = {
    "DepthToSpace.mode": _one_of("CRD,DCR"),
    "Gelu.approximate": _one_of("none,tanh"),
    "K": _from(1),
    "LpNormalization.p": _one_of("1,2"),
    "N": _from(1),
    "Pad.mode": _one_of("constant,edge,reflect"),
    "Resize.mode": _one_of("cubic,linear,nearest"),
    "accuracy_level": _one_of("0,1,4"),
    "allowzero": _FLAG,
    "alpha": _FLOAT,
    "auto_pad": _one_of("NOTSET,SAME_UPPER,SAME_LOWER,VALID"),
    "axis": _from(-8, 8),
    "batch_axis": _FLAG,
    "batch_dims": _from(0, 8),
    "beta": _FLOAT,
    "bits": _one_of("4,8"),
    "block_size": _one_of("16,32,64,128,256"),
    "blocksize": _from(1),
    "coordinate_transformation_mode": _one_of(
        "align_corners,asymmetric,half_pixel,half_pixel_symmetric,pytorch_half_pixel"
    ),
    "cubic_coeff_a": _FLOAT,
    "detect_negative": _FLAG,
    "detect_positive": _FLAG,
    "dilations": _each_from(1),
    "do_rotary": _FLAG,
    "end": _from(-8, 8),
    "epsilon": _FLOAT,
    "equation": _TEXT,
    "exclude_outside": _FLAG,
    "exclusive": _FLAG,
    "fmod": _FLAG,
    "gamma": _FLOAT,
    "gather_axis": _one_of("0"),
    "group": _from(1),
    "keepdims": _FLAG,
    "kernel_shape": _each_from(1),
    "kv_num_heads": _from(1),
    "largest": _FLAG,
    "local_window_size": _from(1),
    "momentum": _FLOAT,
    "nearest_mode": _one_of("ceil,floor,round_prefer_ceil,round_prefer_floor"),
    "noop_with_empty_axes": _FLAG,
    "num_heads": _from(1),
    "num_outputs": _from(1),
    "output_padding": _each_from(0),
    "output_shape": _each_from(1),
    "pads": _each_from(0),
    "perm": _each_from(0, 8),
    "quantize_axis": _one_of("2"),
    "reduction": _one_of("add,max,min,mul,none"),
    "reverse": _FLAG,
    "rotary_interleaved": _one_of("0"),
    "saturate": _FLAG,
    "select_last_index": _FLAG,
    "sorted": _FLAG,
    "stash_type": _one_of("1"),
    "start": _from(-8, 8),
    "strides": _each_from(1),
    "time_axis": _FLAG,
    "to": _INT._replace(fits=DTYPES.__contains__),
    "training_mode": _one_of("0"),
    "transA": _FLAG,
    "transB": _FLAG,
    "upper": _FLAG,
    "value": _TENSOR,
    "value_float": _FLOAT,
    "value_floats": _FLOATS,
    "value_int": _INT,
    "value_ints": _INTS,
}


def _range(words: str) -> range:
    least, _, most = words.partition("-")
    return range(int(least), int(most or least) + 1)


def _table(text: str) -> dict[str, Operator]:
    operators = {}
    for line in text.strip().splitlines():
        name, inputs, outputs, rule, *attributes = line.split()
        known = {key: _ATTRIBUTES.get(f"{name}.{key}") or _ATTRIBUTES[key] for key in attributes}
        operators[name] = Operator(name, _range(inputs), _range(outputs), rule, known)
    return operators


STANDARD = _table(_STANDARD)
OPERATORS = {DOMAIN: _table(_RUNTIME)}  # of other domains than the standard's
