"""How good a flow's images are, by a judge, as it draws them in few steps or many."""

from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
from pydantic import Field

from serving.families.flow.path import Solver
from zoo.data.images import Images
from zoo.flow.config import Positive, Strength
from zoo.judge import generators
from zoo.judge.generators import GeneratorEvaluateConfig
from zoo.judge.samples import LEAST_IMAGES
from zoo.metric import Metric


class FlowEvaluateConfig(GeneratorEvaluateConfig):
    """The `[evaluate]` table of a flow's recipe.

    Args:
        steps, guidance, solver: how images are drawn; as the model's configuration says if not
            given.
        validation_samples: not used; the best weights are those of the lowest error.
    """

    validation_samples: Annotated[int, Field(ge=LEAST_IMAGES)] = LEAST_IMAGES
    steps: Positive | None = None
    guidance: Strength | None = None
    solver: Solver | None = None


def evaluate(
    generate: Callable[..., np.ndarray], images: Images, settings: FlowEvaluateConfig
) -> list[Metric]:
    """Measure generated images against the test split; see `zoo.judge.generators.evaluate`."""
    names = ("steps", "guidance", "solver")
    course = {name: getattr(settings, name) for name in names}
    given = {name: value for name, value in course.items() if value is not None}
    return generators.evaluate(partial(generate, **given), images, settings)
