"""How good images are that a VAE draws, by a judge: its likelihood is of real ones."""

from collections.abc import Callable

import numpy as np

from zoo.data.images import Images
from zoo.judge import generators
from zoo.judge.generators import GeneratorEvaluateConfig
from zoo.metric import Metric
from zoo.vae.evaluation.config import EvaluateConfig


def judged(
    generate: Callable[..., np.ndarray], images: Images, settings: EvaluateConfig
) -> list[Metric]:
    """Measure drawn images against the test split; nothing where no judge is named.

    Args:
        generate: of a model of `zoo`, or of `serving`.
        images: of the recipe.
        settings: of the recipe.
    """
    if settings.judge is None:
        return []
    chosen = GeneratorEvaluateConfig(
        judge=settings.judge, samples=settings.samples, seed=settings.seed
    )
    return generators.evaluate(generate, images, chosen)
