"""The recipe of a network of music."""

from typing import Any, ClassVar

from zoo.music.config import MusicConfig
from zoo.music.evaluate import MusicEvaluateConfig
from zoo.music.model import MusicTransformer
from zoo.music.pieces import MusicDataConfig
from zoo.music.task import MusicTask
from zoo.recipe import Recipe


class MusicRecipe(Recipe):
    """Pieces, a `MusicTransformer`, and nats per note as the measure."""

    model: MusicConfig
    data: MusicDataConfig
    evaluate: MusicEvaluateConfig = MusicEvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {
        "train.epochs": 2,
        "train.batch_size": 4,
        "train.steps_per_epoch": 3,
        "data.limit": 4,
        "data.bars": 2,
        "evaluate.limit": 2,
        "evaluate.samples": 1,
        "evaluate.bars": 1,
        "evaluate.melodies": 1,
    }

    def build(self) -> MusicTransformer:
        """Make the model, untrained."""
        return MusicTransformer(self.model, seed=self.train.seed)

    def task(self) -> MusicTask:
        """Read the pieces."""
        return MusicTask(self)
