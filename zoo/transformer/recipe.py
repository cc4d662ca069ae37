"""The recipe of a Transformer."""

from pathlib import Path
from typing import Any, ClassVar, Self

from zoo.data import given
from zoo.data.text import TextConfig
from zoo.recipe import Recipe
from zoo.training.beginning import recipe_of
from zoo.transformer.config import GPTConfig
from zoo.transformer.evaluate import TextEvaluateConfig
from zoo.transformer.gpt import GPT
from zoo.transformer.task import GPTTask


class GPTRecipe(Recipe):
    """Text, a `zoo.GPT`, and nats per character as the measure."""

    model: GPTConfig
    data: TextConfig
    evaluate: TextEvaluateConfig = TextEvaluateConfig()

    quick: ClassVar[dict[str, Any]] = {
        "train.epochs": 2,
        "train.batch_size": 4,
        "train.accumulate": 1,
        "train.steps_per_epoch": 4,
        "data.limit": 20_000,
        "evaluate.limit": 500,
        "evaluate.style_samples": 4,
    }

    def completed(self) -> Self:
        """Return the recipe with the width of heads that parts of a larger model have."""
        if self.train.prune is None or self.model.head_width:
            return self
        source = recipe_of(str(self.train.initial_weights))
        if not isinstance(source, GPTRecipe) or source.model.head_size == self.model.head_size:
            return self
        return self.changed({"model.head_width": source.model.head_size})

    def build(self) -> GPT:
        """Make the model, untrained."""
        return GPT(self.model, seed=self.train.seed)

    def kept_in(self, directory: Path) -> Self:
        """Return the recipe with the tokenizer that the run of a model from elsewhere has kept."""
        if self.data.tokenizer != given.KIND:
            return self
        return self.changed({"train.initial_weights": str(directory)})

    def task(self) -> GPTTask:
        """Read the text and make its tokenizer."""
        return GPTTask(self)
