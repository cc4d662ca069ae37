"""How well a prior knows codes, and how good the images are that it draws, by a judge."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from serving.families.codes.course import Filling
from serving.text.filters import log_softmax
from zoo.data.images import Images
from zoo.judge import generators
from zoo.judge.generators import GeneratorEvaluateConfig
from zoo.judge.samples import LEAST_IMAGES
from zoo.judge.scenes.judge import load_scene_judge, own_scene_judge
from zoo.metric import Metric
from zoo.prior.config import Positive, Strength, Temperature
from zoo.prior.data import Batch

BATCH = 128
LEARNED: dict[Filling, str] = {
    "parallel": "the hidden codes of test images, of which a share is hidden that is the cosine of "
    "a uniform number",
    "next": "the codes of test images, each given those before it",
}

Logits = Callable[[dict[str, np.ndarray]], np.ndarray]


class PriorEvaluateConfig(GeneratorEvaluateConfig):
    """The `[evaluate]` table of a prior's recipe.

    Args:
        scenes: `scenes`, or the work directory of a judge of scenes, as `genzoo train judge-scenes`
            makes, which says whether images are as their captions; none unless given.
        steps, guidance, temperature: how images are drawn; as the model's configuration says if
            not given.
        rerank: images drawn for each, of which a scorer keeps the best.
        validation_samples: not used; the best weights are those that know held-out codes best.

    Example:
        >>> PriorEvaluateConfig(steps=12).course
        {'steps': 12}
    """

    validation_samples: Annotated[int, Field(ge=LEAST_IMAGES)] = LEAST_IMAGES
    scenes: str | None = None
    steps: Positive | None = None
    guidance: Strength | None = None
    temperature: Temperature | None = None
    rerank: Positive | None = None

    def places(self) -> dict[str, Path]:
        """Return where judges lie that are named by their work directories."""
        own = None if self.scenes is None else own_scene_judge(self.scenes)
        return super().places() | ({} if own is None else {"scenes": own.absolute()})

    @property
    def course(self) -> dict[str, float]:
        """What is said of how images are drawn."""
        names = ("steps", "guidance", "temperature", "rerank")
        course = {name: getattr(self, name) for name in names}
        return {name: value for name, value in course.items() if value is not None}


def evaluate(
    generate: Callable[..., np.ndarray],
    captions: list[str] | None,
    images: Images,
    settings: PriorEvaluateConfig,
) -> list[Metric]:
    """Measure generated images against the test split; see `zoo.judge.generators.evaluate`.

    Args:
        generate: of a model of `zoo`, or of `serving`.
        captions: of test images, to draw after; None where there are none.
        images: of the recipe.
        settings: of the recipe.
    """
    draw = partial(generate, **settings.course)
    if captions is None:
        return generators.evaluate(draw, images, settings)

    drawn: dict[int, np.ndarray] = {}

    def after_captions(count: int, seed: int) -> np.ndarray:
        asked = [captions[index % len(captions)] for index in range(count)]
        drawn[count] = draw(count, prompt=asked, seed=seed)
        return drawn[count]

    found = generators.evaluate(after_captions, images, settings)
    if settings.scenes is None:
        return found
    count = min(len(captions), settings.samples)
    judge = load_scene_judge(settings.scenes)
    pictures = drawn[settings.samples][:count]
    return [*judge.measure(pictures, captions[:count], settings.seed), *found]


def code_nats(logits: Logits, batch: Batch, filling: Filling) -> Metric:
    """Measure how well codes are known, given others.

    Args:
        logits: gives those `(B, T, V)` of what a `Prior` takes.
        batch: see `zoo.prior.data.measured`.
        filling: of the prior.
    """
    inputs, codes, hidden = batch
    total = 0.0
    for start in range(0, len(codes), BATCH):
        rows = slice(start, start + BATCH)
        found = log_softmax(logits({name: each[rows] for name, each in inputs.items()}))
        nats = -np.take_along_axis(found, codes[rows][..., None], axis=-1)[..., 0]  # (B, T)
        total += float((nats * hidden[rows]).sum())
    return Metric(
        name="code_nats",
        value=total / float(hidden.sum()),
        unit="nats/code",
        definition=f"mean -log p of {LEARNED[filling]}",
        samples=len(codes),
        seed=0,
    )
