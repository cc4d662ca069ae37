"""Images enlarged by repeating pixels, which Keras does by a copy along a new axis, as `Resize`."""

import numpy as np
from onnxscript import ir

from export.graph.images.layout import LAST, permutation_of
from export.graph.surgery import added, constant, is_read_once, replace

_MERGED_LAST = (0, 2, 3, 4, 1)  # (B, C, H, copies, W) to (B, H, copies, W, C)


def resize_repeated(model: ir.Model) -> None:
    """Write each repetition along an axis of an image as one operator, in place.

    Args:
        model: whose shapes are inferred.
    """
    for node in list(model.graph):
        if node.op_type == "Reshape":
            _resize(node, model.graph)
    ir.passes.common.RemoveUnusedNodesPass()(model)


def merge_resizes(model: ir.Model) -> None:
    """Let one operator repeat rows and columns, where two did, in place.

    Args:
        model: of `resize_repeated`.
    """
    for node in list(model.graph):
        before = node.inputs[0].producer() if node.op_type == "Resize" else None
        if before is not None and before.op_type == "Resize" and is_read_once(node.inputs[0]):
            scales = before.inputs[2].const_value.numpy() * node.inputs[2].const_value.numpy()
            replace(node.outputs[0], _repeated(before.inputs[0], scales, node, model.graph))
    ir.passes.common.RemoveUnusedNodesPass()(model)


def _resize(reshape: ir.Node, graph: ir.Graph) -> None:
    """Replace `Unsqueeze`, `Tile` and `Reshape`, in which an axis is followed by its copies."""
    tile = reshape.inputs[0].producer()
    turned = permutation_of(tile) == _MERGED_LAST
    tile = tile.inputs[0].producer() if turned else tile
    unsqueeze = tile.inputs[0].producer() if tile is not None and tile.op_type == "Tile" else None
    if unsqueeze is None or unsqueeze.op_type != "Unsqueeze":
        return
    source = unsqueeze.inputs[0]
    constants = [each.inputs[1].const_value for each in (unsqueeze, tile, reshape)]
    if None in constants or source.shape is None or len(source.shape) != 4:
        return
    axes, copies, target = (each.numpy().tolist() for each in constants)
    scales = np.ones(4, np.float32)
    scales[axes[0] - 1] = copies[axes[0]]
    larger = [size * int(scale) for size, scale in zip(source.shape[1:], scales[1:], strict=True)]
    larger = [*larger[1:], larger[0]] if turned else larger
    if len(axes) != 1 or np.prod(copies) != copies[axes[0]] or target[1:] != larger:
        return
    result = _repeated(source, scales, reshape, graph)
    result = added("Transpose", [result], reshape, perm=LAST) if turned else result
    replace(reshape.outputs[0], result)


def _repeated(source: ir.Value, scales: np.ndarray, before: ir.Node, graph: ir.Graph) -> ir.Value:
    """Return an image each of whose pixels is repeated so many times along each axis."""
    rule = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric"}
    inputs = [source, None, constant(scales, "repeats", graph)]
    return added("Resize", inputs, before, **rule, nearest_mode="floor")
