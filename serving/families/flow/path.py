"""The path from noise to an image: a learned velocity, followed step by step.

A network says, of an image that is partly noise, in which direction the image lies. At time 0 it is
all noise, at time 1 all image. The arithmetic is the same on arrays of NumPy and on tensors.

References:
    Lipman et al. 2023, Flow Matching (arXiv:2210.02747); Liu et al. 2023 (arXiv:2209.03003);
    Ho and Salimans 2022, Classifier-Free Diffusion Guidance (arXiv:2207.12598).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

Array: TypeAlias = Any  # of NumPy, or a tensor
Velocity: TypeAlias = Callable[[Array, Array], Array]  # of images (B, H, W, C) at times (B,)
Network: TypeAlias = Callable[[Array, Array, Array | None], Array]  # with labels (B,) too
Solver = Literal["euler", "heun"]
ONE_WAY = "this model knows the way forward alone; encode with its teacher"  # of a student


@dataclass(frozen=True)
class Course:
    """How a velocity is followed.

    Attributes:
        steps: from one end to the other.
        guidance: how strongly a label steers: 0 not at all, 1 as it was learned, above 1 more.
        solver: `euler` asks for the velocity once a step; `heun` twice, and is much more exact.

    Example:
        >>> Course(steps=4, solver="heun").evaluations
        8
    """

    steps: int
    guidance: float = 1.0
    solver: Solver = "heun"

    @property
    def evaluations(self) -> int:
        """How often the velocity is asked for."""
        return self.steps * (2 if self.solver == "heun" else 1)


def follow(
    velocity: Velocity, image: Array, course: Course, start: Array = 0.0, length: float = 1.0
) -> Array:
    """Follow a velocity from images at one time to what they are later, or were before.

    Args:
        velocity: of images at times.
        image: `(B, H, W, C)`.
        course: steps and solver.
        start: time of the images, one for all or `(B,)`.
        length: of the time that passes; negative to go back.

    Example:
        >>> still = np.zeros((1, 2, 2, 1), np.float32)
        >>> follow(lambda image, time: image * 0 + 3, still, Course(steps=2))[0, 0, 0]
        array([3.], dtype=float32)
    """
    step = length / course.steps
    for index in range(course.steps):
        time = start + index * step
        change = velocity(image, time)
        if course.solver == "heun":
            change = (change + velocity(image + step * change, time + step)) / 2
        image = image + step * change
    return image


def guided(
    network: Network, labels: Array | None, unlabelled: int, guidance: float, join: Any = np
) -> Velocity:
    """Return the velocity towards images of some labels.

    Args:
        network: asked once where there are no labels or `guidance` is 1, else with twice the rows.
        labels: `(B,)`, or None of a model without classes.
        unlabelled: the label of an image of no known class.
        guidance: see `Course`.
        join: has `concatenate`, `split` and `full_like`: NumPy, or `keras.ops`.
    """
    if labels is None or guidance == 1:
        return lambda image, time: network(image, _each(image, time, join), labels)
    both = join.concatenate([labels, join.full_like(labels, unlabelled)], axis=0)

    def velocity(image: Array, time: Array) -> Array:
        image, time = (
            join.concatenate([each, each], axis=0) for each in (image, _each(image, time, join))
        )
        own, any_class = join.split(network(image, time, both), 2, axis=0)
        return any_class + guidance * (own - any_class)

    return velocity


def _each(image: Array, time: Array, join: Any) -> Array:
    """Return one time for each image, float32 `(B,)`."""
    return join.full_like(image[:, 0, 0, 0], 1) * time
