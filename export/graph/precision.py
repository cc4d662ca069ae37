"""A graph in fewer bits: half precision for GPUs, 8 bits for CPUs and small devices."""

import copy
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
from onnxscript import ir

from export.errors import ExportError
from export.graph.blocks import keep_blocks
from export.graph.canonical import canonical
from export.graph.images.phases import split_phases
from export.graph.images.saturation import clip_saturated
from export.proof.graphs import Arrays
from export.proof.parity import runner
from export.quiet import quiet
from serving.errors import first_line
from zoo.checkpoints.blocks import Blocks

BLOCK = 32  # weights that share a scale in block-wise quantization
FLOAT16_MAX = float(np.finfo(np.float16).max)
# What ONNX Runtime has 8-bit CPU kernels for. It has none for ConvTranspose, which is therefore
# split into convolutions first.
QUANTIZED = ["Conv", "Gemm", "MatMul"]
# What limits the result of a convolution limits its 256 levels, and costs nothing more.
LIMITING = ["Clip", "Relu"]
IN_PLACE = ["ScatterND"]  # what writes into an input of the graph, which stays float32
ROUNDED_ROWS = 4  # `accuracy_level` of products whose activations are int8: several times faster
# A product may give float32 at no cost. With 256 levels for the logits, the likelihood of the dense
# VAE of MNIST fell by 0.44 nats, and with float32 logits by 0.10. (Conv has no such kernel.)
FLOAT_OUTPUTS = ["Gemm", "MatMul"]


def reduce_precision(
    model: onnx.ModelProto,
    variant: str,
    calibration: Callable[[], Iterable[Arrays]],
    exact: Sequence[str] = (),
) -> onnx.ModelProto:
    """Return a float32 graph in another precision; its inputs and outputs stay float32.

    Args:
        model: the graph, which is not changed.
        variant: `fp16` or `int8`.
        calibration: returns real inputs, in batches.
        exact: layers whose operators are not rounded to 8 bits.

    Raises:
        ExportError: the graph cannot be converted.
    """
    reduced = copy.deepcopy(model)
    try:
        if variant == "fp16":
            _check_range(reduced, calibration())
            reduced = convert_float_to_float16(
                reduced, keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *IN_PLACE]
            )
        else:
            reduced = _quantize(_prepared(reduced), calibration(), exact)
    except (ValueError, RuntimeError, TypeError) as error:
        raise ExportError(
            f"{model.graph.name}: no {variant} variant can be made: {first_line(error)}"
        ) from error
    del reduced.graph.value_info[:]  # of the types before
    graph = ir.serde.deserialize_model(reduced)
    for node in list(graph.graph):
        if node.op_type in IN_PLACE:
            _write_in_place(node, graph.graph)
    return canonical(graph)


def quantize_weights(
    model: onnx.ModelProto, bits: int, blocks: Iterable[Blocks] = ()
) -> onnx.ModelProto:
    """Return a graph whose matrices are held in few bits, block by block, for ONNX Runtime alone.

    Activations are rounded to 8 bits, row by row, so that no row depends on the others.

    Args:
        model: the graph, which is not changed.
        bits: 4 or 8.
        blocks: of matrices that came in few bits, which stay as they are.
    """
    reduced = keep_blocks(model, blocks, ROUNDED_ROWS)
    with quiet():  # the module sets up the root logger when it is loaded
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        quantizer = MatMulNBitsQuantizer(
            reduced, bits=bits, block_size=BLOCK, is_symmetric=True, accuracy_level=ROUNDED_ROWS
        )
        quantizer.process()
    return canonical(ir.serde.deserialize_model(quantizer.model.model))


def _check_range(model: onnx.ModelProto, calibration: Iterable[Arrays]) -> None:
    """Refuse a graph whose values leave the range of float16.

    ONNX Runtime's CPU provider computes much of an fp16 graph in float32, so there it would pass.
    """
    probe = copy.deepcopy(model)
    known = {output.name for output in probe.graph.output}
    values = {name for node in probe.graph.node for name in node.output if name} - known
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(values))
    run = runner(probe)
    for inputs in calibration:
        for name, value in run(inputs).items():
            largest = np.abs(value).max(initial=0)
            if value.dtype == np.float32 and not largest < FLOAT16_MAX:
                end = f"float16 ends at {FLOAT16_MAX:.0f}"
                raise ValueError(f"{name} reaches {largest:.2g}, and {end}")


def _write_in_place(node: ir.Node, graph: ir.Graph) -> None:
    """Let an operator write into the graph's input, and its result be the graph's output.

    Casts to float16 and back, which the converter puts between them, would copy all of it.
    """
    node.replace_input_with(0, _before_casts(node.inputs[0]))
    result = node.outputs[0]
    for index, output in enumerate(graph.outputs):
        if output is not result and _before_casts(output) is result:
            result.shape, result.type = output.shape, output.type
            result.name, output.name = output.name, None
            graph.outputs[index] = result


def _before_casts(value: ir.Value) -> ir.Value:
    while (producer := value.producer()) is not None and producer.op_type == "Cast":
        value = producer.inputs[0]
    return value


def _prepared(model: onnx.ModelProto) -> onnx.ModelProto:
    """Write a graph in what there are 8-bit kernels for."""
    graph = ir.serde.deserialize_model(model)
    split_phases(graph)
    clip_saturated(graph)
    prepared = ir.serde.serialize_model(graph)
    del prepared.graph.value_info[:]  # shapes that any reader can infer
    return prepared


def _quantize(
    model: onnx.ModelProto, calibration: Iterable[Arrays], exact: Sequence[str]
) -> onnx.ModelProto:
    """Quantize weights per channel and activations with ranges fixed by real inputs.

    Ranges that are found anew for each batch (dynamic quantization) would make an image depend on
    the others of its batch, and a seed would not give the same image twice.
    """
    with tempfile.TemporaryDirectory() as directory, quiet():
        file = Path(directory) / "quantized.onnx"
        quantize_static(
            model,
            file,
            _Reader(calibration),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*QUANTIZED, *LIMITING],
            nodes_to_exclude=[*_reading_in_place(model), *_inside(model, exact)],
            per_channel=True,
            # 7 bits of weights: processors with AVX2 and without VNNI add up two products in 16
            # bits, which overflow with 8, and the same seed would give another image there.
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "OpTypesToExcludeOutputQuantization": FLOAT_OUTPUTS,
                "MatMulConstBOnly": True,  # products of attention hold no weights
            },
        )
        return onnx.load(file)


def _reading_in_place(model: onnx.ModelProto) -> list[str]:
    """Return the operators that read what is written in place, which must not be rounded there."""
    written = {node.output[0] for node in model.graph.node if node.op_type in IN_PLACE}
    return [node.name for node in model.graph.node if written.intersection(node.input)]


def _inside(model: onnx.ModelProto, layers: Sequence[str]) -> list[str]:
    """Return the operators that lie in one of some layers, which their names tell."""
    return [node.name for node in model.graph.node if set(layers) & set(node.name.split("/"))]


class _Reader(CalibrationDataReader):
    def __init__(self, batches: Iterable[Arrays]):
        self._batches: Iterator[Arrays] = iter(batches)

    def get_next(self) -> Arrays | None:
        return next(self._batches, None)
