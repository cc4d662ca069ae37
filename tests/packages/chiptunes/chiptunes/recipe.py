"""How chiptunes are trained: on arpeggios that are made up, so that no data are needed."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from chiptunes.model import ChiptuneConfig, ChiptuneModel
from zoo.config import Config
from zoo.data.sources import SourceInfo
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.task import Drawn
from zoo.training.array_task import ArrayTask


class ArpeggioConfig(Config):
    """How many patterns are made up, and from which seed."""

    name: str = "arpeggios"
    train: Annotated[int, Field(gt=0)] = 2000
    seed: int = 0


class ChiptuneEvaluateConfig(Config):
    """How many test patterns there are."""

    limit: Annotated[int, Field(gt=0)] = 500


def arpeggios(count: int, seed: int, config: ChiptuneConfig) -> np.ndarray:
    """Make up patterns: a broken chord over a bass, int32 `(count, steps, voices)`."""
    random, steps = np.random.RandomState(seed), np.arange(config.steps)
    root, stride, rest = random.randint(1, (8, 4, 5), (count, 3)).T[..., None]
    patterns = np.empty((count, config.steps, config.voices), np.int32)
    for voice in range(config.voices):
        notes = (root + stride * (steps // (1 + 3 * (voice > 0)))) % config.notes + 1
        patterns[:, :, voice] = np.where((steps + voice) % (rest + 2) == 0, 0, notes)
    return patterns


def nats(patterns: np.ndarray, logits: np.ndarray) -> float:
    """Return the mean surprise at a note, `-log p`."""
    shifted = logits - logits.max(-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return -float(np.take_along_axis(log_p, patterns[..., None], -1).mean())


def metric(patterns: np.ndarray, logits: np.ndarray) -> Metric:
    """Measure reconstructions of patterns that were not trained on."""
    return Metric(
        name="note_nats",
        value=nats(patterns, logits),
        unit="nats/note",
        definition="mean -log p of each note at the posterior's mean, of patterns not trained on",
        samples=len(patterns),
        counted="patterns",
        seed=0,
    )


class ChiptuneTask(ArrayTask):
    """Arpeggios in memory."""

    def __init__(self, recipe: "ChiptuneRecipe"):
        data, model = recipe.data, recipe.model
        train = arpeggios(data.train, data.seed, model)
        source = SourceInfo(
            name=data.name,
            version="1",
            kind="patterns",
            license="CC0-1.0",
            splits={"train": len(train)},
            fingerprint=hashlib.sha256(train.tobytes()).hexdigest(),
        )
        super().__init__(recipe, source, train, arpeggios(200, data.seed + 1, model))

    def samples(self, shipped: ChiptuneModel) -> Drawn:
        return Drawn("pattern", shipped.generate(4), {"notes": self.recipe.model.notes})

    def evaluate(self, model: ChiptuneModel, settings: Any, figures: Path) -> list[Metric]:
        patterns = arpeggios(settings.limit, self.recipe.data.seed + 2, self.recipe.model)
        return [metric(patterns, np.asarray(model(patterns)))]


class ChiptuneRecipe(Recipe):
    """Arpeggios and a `ChiptuneModel`."""

    model: ChiptuneConfig = ChiptuneConfig()
    data: ArpeggioConfig = ArpeggioConfig()
    evaluate: ChiptuneEvaluateConfig = ChiptuneEvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {**Recipe.quick, "data.train": 200, "evaluate.limit": 50}

    def build(self) -> ChiptuneModel:
        return ChiptuneModel(self.model, seed=self.train.seed)

    def task(self) -> ChiptuneTask:
        return ChiptuneTask(self)
