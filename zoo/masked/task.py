"""How a masked language model is trained: on rows of text, judged by its surprise at others."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from serving.errors import UsageError
from serving.text.masked.filler import MASK, TextFiller
from zoo.data import tokenizers
from zoo.masked.data import READERS, MaskedText
from zoo.masked.evaluate import ROWS, MaskedEvaluateConfig, evaluate
from zoo.masked.model import MaskedLanguageModel
from zoo.masked.writer import filler
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.task import Drawn
from zoo.training.array_task import OneOptimizerTask
from zoo.training.beginning import asset_of
from zoo.training.weighted import weighted_validation

SAMPLES, SAMPLE_WORDS = 4, 5
SPAN = 12  # tokens on each side of what samples hide, at most


class MaskedTask(OneOptimizerTask):
    """The text of a recipe, and how a model learns from it; see `zoo.task.Task`.

    Args:
        recipe: with `[model]` a `MaskedConfig` and `[data]` a `MaskedTextConfig`.
    """

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        model, train = recipe.model, recipe.train
        start = train.initial_weights
        known = tokenizers.parse(asset_of(start, tokenizers.FILE)) if start else None
        self.data = MaskedText(recipe.data, model.context, model.vocabulary_size, known)
        self.source = self.data.text.source
        self.steps_per_epoch = train.steps_per_epoch or self.data.steps_per_epoch(train.batch_size)
        self.smallest_batch = train.batch_size

    def keep(self, directory: Path) -> None:
        """Write the tokenizer, which another text might not give again."""
        path, tokenizer = directory / tokenizers.FILE, self.data.text.tokenizer
        if not path.is_file():
            tokenizers.save(tokenizer, directory, self.recipe.model.context, READERS)
        elif tokenizers.load(directory).to_str() != tokenizer.to_str():
            raise UsageError(
                f"{path} is not the tokenizer of '{self.recipe.data.name}' as it is now; bring the "
                "text back that the run began with, or train in a new directory"
            )

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches of rows with hidden tokens without end, from step `start` on."""
        train = self.recipe.train
        return self.data.training_batches(train.batch_size, train.seed, start)

    def validation_examples(self) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        """Return the validation part, each of whose tokens is hidden once."""
        return self.data.measured("validation")

    def validation(self, shipped: MaskedLanguageModel) -> Callable[[], dict[str, float]]:
        """Return what measures the mean nats per masked token of the whole validation part."""
        rows = tf.data.Dataset.from_tensor_slices(self.validation_examples())
        return weighted_validation(shipped, rows.batch(ROWS))

    def samples(self, shipped: MaskedLanguageModel) -> Drawn:
        """Fill gaps of the validation part."""
        own = filler(shipped, self.data.text.tokenizer.to_str().encode())
        return Drawn("text", filled(own, gaps(self.data)), {})

    def evaluate(
        self, model: MaskedLanguageModel, settings: MaskedEvaluateConfig, figures: Path
    ) -> list[Metric]:
        """Measure the surprise at the held-out text, and how often masked words are guessed."""
        own = filler(model, self.data.text.tokenizer.to_str().encode())
        return list(evaluate(own.network.predict, self.data, settings))


def gaps(data: MaskedText, count: int = SAMPLES) -> list[str]:
    """Return lines of the validation part, each with a gap in the place of a word."""
    tokens = data.tokens("validation")
    places, _ = data.words("validation")
    few = places[np.linspace(0, len(places) - 1, count + 2).astype(int)[1:-1]]
    read = data.text.tokenizer.decode
    span = min(SPAN, (data.context - 2) // 4)
    found = []
    for at in few.tolist():
        before, behind = tokens[max(0, at - span) : at], tokens[at + 1 : at + 1 + span]
        line = read(before.tolist()).rpartition("\n")[2], read(behind.tolist()).partition("\n")[0]
        found.append(f"{line[0].strip()} {MASK}{line[1].rstrip()}".strip())
    return found


def filled(model: TextFiller, texts: Sequence[str]) -> list[str]:
    """Return texts with their gaps, and below each what is likeliest to fill it."""
    found = []
    for text in texts:
        words = [" ".join(each.words) for each in model.fill(text, SAMPLE_WORDS)]
        found.append(f"{text}\n{MASK}: {', '.join(words)}")
    return found
