"""The weights to train on from: the same numbers in a smaller file."""

from pathlib import Path
from typing import Any

import h5py


def compress(source: str | Path, target: str | Path) -> None:
    """Copy a weights file of Keras, its arrays compressed without loss.

    Bytes of equal significance are put side by side first: the exponents of weights resemble each
    other, and what a run in bfloat16 has of the last digits is zeros.

    Args:
        source: as `keras.Model.save_weights` writes it.
        target: is written; `keras.Model.load_weights` reads it.

    Example:
        >>> import tempfile, zoo
        >>> folder = Path(tempfile.mkdtemp())
        >>> model = zoo.from_preset("vae-mnist-dense")
        >>> model.save_weights(folder / "plain.weights.h5")
        >>> compress(folder / "plain.weights.h5", folder / "small.weights.h5")
        >>> model.load_weights(folder / "small.weights.h5")
    """
    with h5py.File(source) as plain, h5py.File(target, "w") as compressed:

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Group):
                made = compressed.require_group(name)
            else:  # an array of no axes cannot be cut into compressed pieces
                options = {"compression": "gzip", "shuffle": True} if item.ndim else {}
                made = compressed.create_dataset(name, data=item[()], **options)
            made.attrs.update(item.attrs)

        compressed.attrs.update(plain.attrs)
        plain.visititems(copy)
