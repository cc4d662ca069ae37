"""Which matrices of a model are blocks of the checkpoint it was made of, told by their numbers."""

import hashlib
from collections.abc import Mapping

import keras
import numpy as np

from zoo.checkpoints.blocks import Blocks, BlockTensor, stacked
from zoo.checkpoints.checkpoint import Tensor

_TURNED = ("/kernel", "/reverse_embeddings")


def kept_blocks(model: keras.Model, tensors: Mapping[str, Tensor]) -> dict[str, Blocks]:
    """Return the blocks of those matrices whose numbers they are, to the last bit.

    A matrix may be several tensors, one below the other, as queries, keys and values are. What was
    trained since, or came in other types, is left out.

    Args:
        model: with its weights.
        tensors: of the checkpoint.

    Returns:
        Blocks `(out, in)`, or of an embedding `(tokens, width)`, by the paths of variables without
        the model's name, such as `block_0/attention/project/kernel`.
    """
    found = _Found(tensors)
    kept = {}
    for variable in model.weights:
        if len(variable.shape) != 2:
            continue
        numbers = keras.ops.convert_to_numpy(variable)
        # Kernels are (in, out); embeddings are as checkpoints have them.
        rows = numbers.T if variable.path.endswith(_TURNED) else numbers
        if (parts := found.parts(rows)) is not None:
            _, _, name = variable.path.partition("/")
            kept[name] = stacked(parts)
    return kept


class _Found:
    """The blocks of a checkpoint, to be found by their first rows."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self._tensors: dict[bytes, list[BlockTensor]] = {}
        for tensor in tensors.values():
            if isinstance(tensor, BlockTensor) and tensor.blocks is not None:
                first = tensor.blocks().reordered(np.arange(1)).dequantised()
                self._tensors.setdefault(_digest(first), []).append(tensor)

    def parts(self, rows: np.ndarray) -> list[Blocks] | None:
        """Return the blocks that are these rows, from the first to the last."""
        parts: list[Blocks] = []
        begin = 0
        while begin < len(rows):
            part = self._part(rows[begin:])
            if part is None:
                return None
            parts.append(part)
            begin += part.shape[0]
        return parts

    def _part(self, rows: np.ndarray) -> Blocks | None:
        """Return the blocks that the first of these rows are, the most if several tensors are."""
        best = None
        for tensor in self._tensors.get(_digest(rows[:1]), []):
            blocks = tensor.blocks() if tensor.blocks is not None else None
            if blocks is None or (best is not None and blocks.shape[0] <= best.shape[0]):
                continue
            numbers = blocks.dequantised()
            if len(numbers) <= len(rows) and _digest(numbers) == _digest(rows[: len(numbers)]):
                best = blocks
        return best


def _digest(numbers: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(numbers).data).digest()
