"""The recipe of a translator."""

from typing import Any, ClassVar

from zoo.recipe import Recipe
from zoo.translation.config import TranslationConfig
from zoo.translation.data import TranslationDataConfig
from zoo.translation.evaluate import TranslationEvaluateConfig
from zoo.translation.task import TranslationTask
from zoo.translation.translator import Translator


class TranslationRecipe(Recipe):
    """Pairs of texts, a `zoo.Translator`, and BLEU as the measure."""

    model: TranslationConfig
    data: TranslationDataConfig
    evaluate: TranslationEvaluateConfig = TranslationEvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {
        "train.epochs": 2,
        "train.batch_size": 4,
        "train.accumulate": 1,
        "train.steps_per_epoch": 4,
        # Every recipe then has the same pairs, which need no download, and so another tokenizer.
        "data.name": "number_words",
        "data.languages": ["en", "de"],
        "data.vocabulary_size": 300,
        "data.limit": 500,
        "model.vocabulary_size": 300,
        "evaluate.limit": 20,
        "evaluate.beams": 2,
    }

    def build(self) -> Translator:
        """Make the model, untrained."""
        return Translator(self.model, seed=self.train.seed)

    def task(self) -> TranslationTask:
        """Read the pairs and make their tokenizer."""
        return TranslationTask(self)
