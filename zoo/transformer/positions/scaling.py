"""Rotary angles stretched, so that a model sees further than it was first trained to."""

import math
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from zoo.config import Config

Above = Annotated[float, Field(gt=0)]


class RotaryScaling(Config):
    """The `[model.rotary_scaling]` table of a Transformer.

    Args:
        kind: `linear` slows all angles down alike (Chen et al. 2023, arXiv:2306.15595); `llama3`
            the slow ones only, as Llama 3.1 does; `yarn` the slow ones only, and sharpens attention
            (Peng et al. 2023, arXiv:2309.00071).
        factor: by which they are slowed down.
        original_context: `llama3` and `yarn`; tokens that the model first saw at once.
        low, high: `llama3`; angles that turn less often than `low` times in the original context
            are slow, those that turn more often than `high` times are left alone.
        slow, fast: `yarn`; the same.
        whole: `yarn`; the border between slow and fast lies between two angles.
        magnitude: `yarn`; what cosines and sines are multiplied by, `0.1 ln(factor) + 1` unless
            given.

    Example:
        >>> RotaryScaling(kind="linear", factor=2.0).scaled(np.array([1.0, 0.1])).tolist()
        [0.5, 0.05]
    """

    kind: Literal["linear", "llama3", "yarn"]
    factor: Above
    original_context: Annotated[int, Field(gt=0)] | None = None
    low: Above = 1.0
    high: Above = 4.0
    slow: Above = 1.0
    fast: Above = 32.0
    whole: bool = True
    magnitude: Above | None = None

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (self.kind != "linear") != (self.original_context is not None):
            raise ValueError(
                f"original_context goes with kind 'llama3' and 'yarn', not with '{self.kind}'"
                if self.kind == "linear"
                else f"kind '{self.kind}' needs original_context, the tokens first seen at once"
            )
        if self.kind == "llama3" and self.low >= self.high:
            raise ValueError(f"low {self.low} is not less than high {self.high}")
        return self

    @property
    def amplitude(self) -> float:
        """What cosines and sines are multiplied by."""
        if self.kind != "yarn":
            return 1.0
        if self.magnitude is not None:
            return self.magnitude
        return 0.1 * math.log(self.factor) + 1 if self.factor > 1 else 1.0

    def scaled(self, frequencies: np.ndarray, base: float = 1e4) -> np.ndarray:
        """Return the angles per token `(R / 2,)` that take the place of those given.

        Args:
            frequencies: `base ** (-2 i / R)`, the fastest first.
            base: of these.
        """
        if self.kind == "linear":
            kept = np.zeros(len(frequencies))
        elif self.kind == "llama3":
            kept = self._kept_by_turns(frequencies)
        else:
            kept = self._kept_by_place(len(frequencies), base)
        return kept * frequencies + (1 - kept) * frequencies / self.factor

    def _kept_by_turns(self, frequencies: np.ndarray) -> np.ndarray:
        """Return which angles stay, 0 to 1, by how often each turns in the original context."""
        turns = self.original_context * frequencies / (2 * math.pi)
        return np.clip((turns - self.low) / (self.high - self.low), 0, 1)

    def _kept_by_place(self, count: int, base: float) -> np.ndarray:
        """Return which angles stay, 0 to 1, by a ramp between two places in their row."""

        def place(turns: float) -> float:
            return count * math.log(self.original_context / (turns * 2 * math.pi)) / math.log(base)

        first, last = place(self.fast), place(self.slow)
        if self.whole:
            first, last = math.floor(first), math.ceil(last)
        first, last = max(first, 0), min(last, 2 * count - 1)
        if first == last:
            last += 0.001  # a step instead of a ramp
        return 1 - np.clip((np.arange(count) - first) / (last - first), 0, 1)
