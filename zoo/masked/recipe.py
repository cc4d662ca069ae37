"""The recipe of a masked language model."""

from typing import Any, ClassVar

from zoo.masked.config import MaskedConfig
from zoo.masked.data import MaskedTextConfig
from zoo.masked.evaluate import MaskedEvaluateConfig
from zoo.masked.model import MaskedLanguageModel
from zoo.masked.task import MaskedTask
from zoo.recipe import Recipe


class MaskedRecipe(Recipe):
    """Text, a `zoo.MaskedLanguageModel`, and nats per masked token as the measure."""

    model: MaskedConfig
    data: MaskedTextConfig
    evaluate: MaskedEvaluateConfig = MaskedEvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {
        "train.epochs": 2,
        "train.batch_size": 4,
        "train.accumulate": 1,
        "train.steps_per_epoch": 4,
        # A text that needs no download, and so little of it that no larger vocabulary can be made.
        "data.name": "python_topics",
        "data.limit": 20_000,
        "data.vocabulary_size": 400,
        "model.vocabulary_size": 400,
        "evaluate.limit": 500,
        "evaluate.words": 50,
    }

    def build(self) -> MaskedLanguageModel:
        """Make the model, untrained."""
        return MaskedLanguageModel(self.model, seed=self.train.seed)

    def task(self) -> MaskedTask:
        """Read the text and make its tokenizer."""
        return MaskedTask(self)
