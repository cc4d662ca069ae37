"""Weights on their way from Keras to PyTorch."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


def carry(parameter: torch.Tensor, value: Any, order: Sequence[int] | None = None) -> None:
    """Copy a variable of Keras into a parameter or buffer, its axes in another order if given.

    Raises:
        ValueError: it has another shape.
    """
    array = np.asarray(value)
    array = array if order is None else array.transpose(order)
    if array.shape != parameter.shape:
        raise ValueError(f"a variable of {array.shape} does not fit {tuple(parameter.shape)}")
    parameter.data.copy_(torch.from_numpy(np.array(array)))
