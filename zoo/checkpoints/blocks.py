"""Matrices of few bits as a file brought them: whole numbers with a scale for each 32 of a row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save_file

from serving.errors import first_line
from serving.files import replacing
from zoo.checkpoints.checkpoint import CheckpointError, Tensor

SIZE = 32  # numbers of a row that share a scale
_NO_MINIMUM = np.float16(-0.0)  # what added to any number, be it -0.0, leaves it as it is


@dataclass(frozen=True)
class Blocks:
    """A matrix `(rows, columns)` whose numbers are `value * scale + minimum`.

    Attributes:
        values: whole numbers, int8 `(rows, columns)`: of 4 bits from -8 to 7, or with minima from 0
            to 15; of 8 bits from -128 to 127.
        scales: float16 `(rows, columns / 32)`, all finite.
        minima: of the same shape, or None for a matrix without.
        bits: 4 or 8.

    Example:
        >>> values = np.arange(-8, 8, dtype=np.int8).repeat(2)[None]
        >>> blocks = Blocks(values, np.array([[0.5]], np.float16), None, 4)
        >>> blocks.dequantised()[0, :4].tolist()
        [-4.0, -4.0, -3.5, -3.5]
    """

    values: np.ndarray
    scales: np.ndarray
    minima: np.ndarray | None
    bits: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, which are results of the product, and columns, which are what it is given."""
        rows, columns = self.values.shape
        return rows, columns

    @property
    def lowest(self) -> int:
        """The least that a value may be, which is stored as 0."""
        return _lowest(self.bits, self.minima)

    def dequantised(self) -> np.ndarray:
        """Return the numbers, float32 `(rows, columns)`: a product, which is exact, and one sum."""
        rows, columns = self.shape
        values = self.values.reshape(rows, columns // SIZE, SIZE).astype(np.float32)
        numbers = values * self.scales[..., None].astype(np.float32)  # (rows, blocks, 32)
        if self.minima is not None:
            numbers += self.minima[..., None].astype(np.float32)
        return numbers.reshape(rows, columns)

    def packed(self) -> np.ndarray:
        """Return the values less the lowest, uint8 `(rows, blocks, 4 * bits)`.

        Of 4 bits, there are two in a byte, the first in its lower half.
        """
        rows, columns = self.shape
        stored = (self.values.astype(np.int16) - self.lowest).astype(np.uint8)
        stored = stored.reshape(rows, columns // SIZE, SIZE)
        return stored if self.bits == 8 else stored[..., ::2] | stored[..., 1::2] << 4

    @classmethod
    def unpacked(
        cls, packed: np.ndarray, scales: np.ndarray, minima: np.ndarray | None, bits: int
    ) -> Self:
        """Return the matrix that `packed` was called on."""
        if bits == 4:
            packed = np.stack([packed & 15, packed >> 4], axis=-1)  # (rows, blocks, 16, 2)
        values = packed.reshape(len(packed), -1).astype(np.int16) + _lowest(bits, minima)
        return cls(values.astype(np.int8), scales, minima, bits)

    def reordered(self, rows: np.ndarray) -> Self:
        """Return the matrix of these rows, in this order."""
        minima = None if self.minima is None else self.minima[rows]
        return replace(self, values=self.values[rows], scales=self.scales[rows], minima=minima)


def _lowest(bits: int, minima: np.ndarray | None) -> int:
    return 0 if bits == 4 and minima is not None else -(2 ** (bits - 1))


def stacked(matrices: Sequence[Blocks]) -> Blocks:
    """Return one matrix of the rows of several, the same numbers to the last bit.

    Args:
        matrices: of as many columns. Where some have minima and others none, or they are of
            different bits, the result has what all of them need.

    Example:
        >>> plain = Blocks(np.ones((1, 32), np.int8), np.ones((1, 1), np.float16), None, 4)
        >>> stacked([plain, plain]).shape
        (2, 32)
    """
    kinds = {(each.bits, each.lowest) for each in matrices}
    bits = matrices[0].bits if len(kinds) == 1 else 8
    minima = None
    if any(each.minima is not None for each in matrices):
        minima = np.concatenate(
            [
                np.full_like(each.scales, _NO_MINIMUM) if each.minima is None else each.minima
                for each in matrices
            ]
        )
    values = np.concatenate([each.values for each in matrices])
    return Blocks(values, np.concatenate([each.scales for each in matrices]), minima, bits)


@dataclass(frozen=True)
class BlockTensor(Tensor):
    """A tensor of a checkpoint that is held in blocks.

    Attributes:
        blocks: returns them, a matrix `(out, in)` whatever `shape` says (GPT-2 of Hugging Face
            holds matrices the other way round).
    """

    blocks: Callable[[], Blocks] | None = None


def save_blocks(path: str | Path, matrices: Mapping[str, Blocks]) -> None:
    """Write matrices, by name, into a file of safetensors that is no larger than they are.

    Example:
        >>> one = Blocks(np.ones((1, 32), np.int8), np.ones((1, 1), np.float16), None, 4)
        >>> save_blocks("blocks.safetensors", {"x": one})
        >>> load_blocks("blocks.safetensors")["x"].shape
        (1, 32)
    """
    arrays = {}
    for name, blocks in matrices.items():
        arrays[f"{name}.values{blocks.bits}"] = blocks.packed()
        arrays[f"{name}.scales"] = np.ascontiguousarray(blocks.scales)
        if blocks.minima is not None:
            arrays[f"{name}.minima"] = np.ascontiguousarray(blocks.minima)
    with replacing(path) as temporary:
        save_file(arrays, temporary)


def load_blocks(path: str | Path) -> dict[str, Blocks]:
    """Read what `save_blocks` has written.

    Raises:
        CheckpointError: the file is missing, or none of these.
    """
    try:
        arrays = load(Path(path).read_bytes())
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read: {first_line(error)}") from error
    matrices = {}
    for name, values in arrays.items():
        matrix, _, kind = name.rpartition(".")
        if kind in ("values4", "values8"):
            scales, minima = arrays.get(f"{matrix}.scales"), arrays.get(f"{matrix}.minima")
            bits = int(kind[-1])
            _check(path, matrix, values, scales, minima, bits)
            matrices[matrix] = Blocks.unpacked(values, scales, minima, bits)
    return matrices


def _check(
    path: str | Path,
    name: str,
    values: np.ndarray,
    scales: np.ndarray | None,
    minima: np.ndarray | None,
    bits: int,
) -> None:
    whole = (
        scales is not None
        and values.dtype == np.uint8
        and values.shape == (*scales.shape, 4 * bits)
        and all(
            each.dtype == np.float16 and each.shape == scales.shape and np.isfinite(each).all()
            for each in (scales, scales if minima is None else minima)
        )
    )
    if not whole:
        raise CheckpointError(f"{path} holds no whole blocks of {name}; import the model again")
