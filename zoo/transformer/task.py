"""How a Transformer is trained: on blocks of text, by one optimizer, judged by its surprise."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import tensorflow as tf
from tokenizers import Tokenizer

from serving.errors import UsageError
from serving.text.text import TextModel
from zoo.data import given, tokenizers
from zoo.data.text import Text
from zoo.judge.styles import agreement, one_of_each
from zoo.metric import Metric
from zoo.recipe import Recipe, TrainConfig
from zoo.task import Drawn, Task
from zoo.training.beginning import asset_of
from zoo.training.optimizers import optimizer
from zoo.training.weighted import weighted_validation
from zoo.transformer.evaluate import TextEvaluateConfig, evaluate
from zoo.transformer.gpt import GPT
from zoo.transformer.writer import KerasStep, writer

SAMPLES, SAMPLE_TOKENS = 3, 200


class GPTTask(Task):
    """The text of a recipe, and how a GPT learns from it; see `zoo.task.Task`.

    Args:
        recipe: with `[model]` a `GPTConfig` and `[data]` a `TextConfig`.
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        start = recipe.train.initial_weights
        self.given = _given(start) if recipe.data.tokenizer == given.KIND else None
        self.text = Text(
            recipe.data,
            recipe.model.context,
            recipe.model.vocabulary_size,
            tokenizer=_tokenizer_before(recipe.train),
            end=next(iter(self.given.ends), None) if self.given else tokenizers.EOS,
        )
        self.source = self.text.source
        config = recipe.train
        self.steps_per_epoch = config.steps_per_epoch or self.text.steps_per_epoch(
            config.batch_size
        )
        self.smallest_batch = config.batch_size

    def keep(self, directory: Path) -> None:
        """Write the tokenizer, which on another day another corpus might not give again."""
        path = directory / tokenizers.FILE
        if not path.is_file() and self.given:
            self.given.write(directory)
        elif not path.is_file():
            tokenizers.save(self.text.tokenizer, directory, self.recipe.model.context)
        elif tokenizers.load(directory).to_str() != self.text.tokenizer.to_str():
            raise UsageError(
                f"{path} is not the tokenizer of '{self.recipe.data.name}' as it is now; bring the "
                "text back that the run began with, or train in a new directory"
            )

    def compile(self, model: GPT, total_steps: int) -> None:
        """Give the model its optimizer."""
        config = self.recipe.train
        model.compile(optimizer(config, total_steps), jit_compile=config.jit_compile)
        model.optimizer.build(model.trainable_variables)

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches of tokens and their successors without end, from step `start` on."""
        config = self.recipe.train
        return self.text.training_batches(config.batch_size, config.seed, start=start)

    def validation(self, shipped: GPT) -> Callable[[], dict[str, float]]:
        """Return what measures the mean nats per token of the whole validation part."""
        batches = self.text.validation_batches(self.recipe.evaluate.batch_size)
        return weighted_validation(shipped, batches)

    def samples(self, shipped: GPT) -> Drawn:
        """Write a few texts, of a model with styles one in each of the first."""
        model = self._writer(shipped)
        seeds = [self.recipe.train.seed + index for index in range(SAMPLES)]
        prompts = [model.tokenizer.beginning] * SAMPLES
        styles = one_of_each(self.text.styles, SAMPLES)
        texts = model.generate(prompts, max_new_tokens=SAMPLE_TOKENS, seed=seeds, **styles)
        return Drawn("text", texts, {})

    def evaluate(self, model: GPT, settings: TextEvaluateConfig, figures: Path) -> list[Metric]:
        """Measure the surprise at the held-out text."""
        metrics = list(evaluate(KerasStep(model), self.text, settings))
        if self.text.styles:
            metrics += agreement(self._writer(model), self.text, settings)
        return metrics

    def _writer(self, model: GPT) -> TextModel:
        tokenizer = self.given.tokenizer if self.given else self.text.tokenizer.to_str().encode()
        return writer(model, tokenizer, ends=self.given.ends if self.given else None)


def _given(start: str | None) -> given.Given:
    """Return what an imported model has kept of its source."""
    if start is None:
        raise UsageError(
            "data.tokenizer 'given' is that of an imported model; go on from one "
            "(genzoo train --from DIR)"
        )

    def find(file: str) -> bytes | None:
        with suppress(UsageError):  # few have all of them
            return asset_of(start, file)
        return None

    return given.Given.read(find)


def _tokenizer_before(config: TrainConfig) -> Tokenizer | None:
    """Return the tokenizer of what a run begins with or learns from, if anything.

    Weights mean the tokens that they learned, whatever others the corpus might give.

    Raises:
        UsageError: the teacher's is another than that of the weights.
    """
    sources = [name for name in (config.initial_weights, config.teacher) if name]
    found = [tokenizers.parse(asset_of(name, tokenizers.FILE)) for name in sources]
    if len({tokenizer.to_str() for tokenizer in found}) > 1:
        raise UsageError(
            f"the teacher {config.teacher} has other tokens than {config.initial_weights}; "
            "expected a teacher with the same tokenizer"
        )
    return found[0] if found else None
