"""How the codes of an image are filled in: the surest first, many at the same time, or in a row.

A network says of each place how likely each code is, given the codes that are there already. In
each step a code is drawn for every hidden place, and those that are least likely are hidden again,
fewer each time; or the next place alone is filled. The arithmetic is on the host, the same whatever
runs the network.

References:
    Chang et al. 2022, MaskGIT (arXiv:2202.04200); Chang et al. 2023, Muse (arXiv:2301.00704).
    Chen et al. 2020, Generative Pretraining from Pixels, of the next code.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from serving.errors import UsageError

Filling: TypeAlias = Literal["parallel", "next"]
# Codes (B, T), -1 for hidden ones, and their condition (B, ...) or None -> logits (B, T, V).
Network: TypeAlias = Callable[[np.ndarray, np.ndarray | None], np.ndarray]


@dataclass(frozen=True)
class Course:
    """How codes are filled in.

    Attributes:
        steps: looks of the network, in each of which some places are filled.
        guidance: how strongly the condition steers: 0 not at all, 1 as it was learned, above 1
            more.
        temperature: of the codes: 0 takes the likeliest, 1 draws as it was learned.
        order: how much chance decides which places are filled first, at the beginning; 0 lets
            likelihood alone decide, and images are then alike.
        filling: `parallel`, any places in each step; or `next`, the first that is hidden.

    Example:
        >>> Course(steps=4).hidden(places=100)
        [92, 70, 38, 0]
    """

    steps: int
    guidance: float = 1.0
    temperature: float = 1.0
    order: float = 4.5
    filling: Filling = "parallel"

    def hidden(self, places: int) -> list[int]:
        """Return how many places are hidden after each step: a cosine, and each step fills one.

        Raises:
            UsageError: codes of which each needs those before it are to be filled at once.
        """
        if self.filling == "next" and self.steps != places:
            raise UsageError(
                f"steps is {self.steps}; a network of the next code fills one of {places} places "
                "in each step; leave steps out"
            )
        found, left = [], places
        for step in range(1, self.steps + 1):
            share = math.cos(math.pi / 2 * step / self.steps)
            left = min(max(int(places * share), self.steps - step), left - 1)
            found.append(left)
        return found


def fill(
    network: Network,
    condition: np.ndarray | None,
    nothing: int,
    uniforms: np.ndarray,
    course: Course,
) -> np.ndarray:
    """Fill in the codes of images, beginning with none.

    Args:
        network: asked once a step; with guidance for twice as many rows.
        condition: of each image, `(B, ...)`, or None of a network without.
        nothing: the condition, in each of its places, that stands for none.
        uniforms: random numbers in [0, 1), `(B, steps, T, 2)`.
        course: with at most as many steps as there are places T.

    Returns:
        int32 `(B, T)`.

    Example:
        >>> def first(codes, condition):
        ...     return np.where(np.arange(3) == 0, 9.0, -9.0) + np.zeros((*codes.shape, 1))
        >>> fill(first, None, 0, np.full((2, 4, 6, 2), 0.5), Course(4)).tolist()
        [[0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]]
    """
    rows, steps, places, _ = uniforms.shape
    codes = np.full((rows, places), -1, np.int32)
    for step, left in enumerate(course.hidden(places)):
        hidden = codes < 0
        asked = slice(step, step + 1) if course.filling == "next" else slice(places)
        logits = _guided(network, codes, condition, nothing, course.guidance, asked)
        drawn, likelihood = _drawn(logits, uniforms[:, step, asked, 0], course.temperature)
        if course.filling == "next":
            codes = np.where(np.arange(places) == step, drawn, codes).astype(np.int32)
            continue
        chance = course.order * (1 - (step + 1) / steps)
        sure = likelihood + chance * _gumbel(uniforms[:, step, :, 1])
        rank = np.argsort(np.argsort(np.where(hidden, sure, np.inf), axis=1, kind="stable"), axis=1)
        codes = np.where(hidden, np.where(rank < left, -1, drawn), codes).astype(np.int32)
    return codes


def _guided(
    network: Network,
    codes: np.ndarray,
    condition: np.ndarray | None,
    nothing: int,
    guidance: float,
    asked: slice,
) -> np.ndarray:
    """Return logits of some places, away from those of no condition, float64 `(B, T, V)`."""
    if condition is None or guidance == 1:
        return np.asarray(network(codes, condition)[:, asked], np.float64)
    both = np.concatenate([condition, np.full_like(condition, nothing)])
    logits = np.asarray(network(np.concatenate([codes, codes]), both)[:, asked], np.float64)
    own, anything = logits[: len(codes)], logits[len(codes) :]
    return anything + guidance * (own - anything)


def _drawn(
    logits: np.ndarray, uniform: np.ndarray, temperature: float
) -> tuple[np.ndarray, np.ndarray]:
    """Draw codes `(B, T)`, and say how likely each was, as logarithms."""
    if temperature:
        logits = logits / temperature
    logits = logits - logits.max(axis=-1, keepdims=True)
    cumulated = np.exp(logits).cumsum(axis=-1)  # (B, T, V)
    total = cumulated[..., -1:]
    # The last code ends where the numbers do, however they are rounded.
    codes = (cumulated[..., :-1] <= uniform[..., None] * total).sum(axis=-1)
    if not temperature:
        codes = logits.argmax(axis=-1)
    chosen = np.take_along_axis(logits, codes[..., None], axis=-1)[..., 0]
    return codes, chosen - np.log(total[..., 0])


def _gumbel(uniform: np.ndarray) -> np.ndarray:
    """Turn numbers in [0, 1) into draws of the Gumbel distribution."""
    smallest = np.finfo(np.float64).tiny
    return np.asarray(-np.log(-np.log(np.maximum(uniform, smallest))))
