"""How a translator is trained: on packed pairs of texts, judged by its surprise at others."""

from collections.abc import Callable
from pathlib import Path

import tensorflow as tf

from serving.errors import UsageError
from zoo.data import tokenizers
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.task import Drawn, Task
from zoo.training.beginning import asset_of
from zoo.training.optimizers import optimizer
from zoo.training.weighted import weighted_validation
from zoo.translation.data import TranslationData, batch_of, by_language, fitting
from zoo.translation.evaluate import TranslationEvaluateConfig, evaluate
from zoo.translation.rows.packing import INPUTS
from zoo.translation.translator import Translator
from zoo.translation.writer import writer

SAMPLES = 4
VALIDATION_ROWS = 16  # at once; their logits are large


class TranslationTask(Task):
    """The pairs of a recipe, and how a translator learns from them; see `zoo.task.Task`.

    Args:
        recipe: with `[model]` a `TranslationConfig` and `[data]` a `TranslationDataConfig`.
    """

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        config, start = recipe.train, recipe.train.initial_weights
        known = tokenizers.parse(asset_of(start, tokenizers.FILE)) if start else None
        self.data = TranslationData(
            recipe.data, recipe.model.context, recipe.model.vocabulary_size, known, config.seed
        )
        self.source = self.data.source
        self.steps_per_epoch = config.steps_per_epoch or self.data.passes(config.batch_size)
        self.smallest_batch = config.batch_size

    def keep(self, directory: Path) -> None:
        """Write the tokenizer, which other texts might not give again."""
        path = directory / tokenizers.FILE
        if not path.is_file():
            tokenizers.save(self.data.tokenizer, directory, self.recipe.model.context)
        elif tokenizers.load(directory).to_str() != self.data.tokenizer.to_str():
            raise UsageError(
                f"{path} is not the tokenizer of '{self.recipe.data.name}' as it is now; bring the "
                "texts back that the run began with, or train in a new directory"
            )

    def compile(self, model: Translator, total_steps: int) -> None:
        """Give the model its optimizer."""
        config = self.recipe.train
        model.compile(optimizer(config, total_steps), jit_compile=config.jit_compile)
        model.optimizer.build(model.trainable_variables)

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches of packed rows without end, from step `start` on."""
        size, row = self.recipe.train.batch_size, self.recipe.data.row

        def spec(kind: tf.DType) -> tf.TensorSpec:
            return tf.TensorSpec((size, row), kind)

        kinds = {name: spec(tf.int32) for name in INPUTS}, spec(tf.int32), spec(tf.float32)
        batches = tf.data.Dataset.from_generator(
            lambda: self.data.batches(size, start), output_signature=kinds
        )
        return batches.prefetch(4)

    def validation(self, shipped: Translator) -> Callable[[], dict[str, float]]:
        """Return what measures the mean nats per token of the whole validation part."""
        arrays = batch_of(self.data.rows("validation"))
        batches = tf.data.Dataset.from_tensor_slices(arrays).batch(VALIDATION_ROWS)
        return weighted_validation(shipped, batches)

    def samples(self, shipped: Translator) -> Drawn | None:
        """Translate a few texts of the validation part."""
        if self.recipe.data.objective != "pairs":
            return None
        model = writer(shipped, self._tokenizer, self.data.languages)
        language, pairs = next(iter(self._pairs("validation").items()))
        texts = fitting(model, pairs, language).sources[:SAMPLES]
        return Drawn("text", model.translate(texts, beams=1), {})

    def evaluate(
        self, model: Translator, settings: TranslationEvaluateConfig, figures: Path
    ) -> list[Metric]:
        """Translate the test part; of texts with gaps, measure the surprise at what filled them."""
        if self.recipe.data.objective == "pairs":
            own = writer(model, self._tokenizer, self.data.languages)
            return list(evaluate(own, self._pairs("test"), settings))
        arrays = batch_of(self.data.rows("test"))
        batches = tf.data.Dataset.from_tensor_slices(arrays).batch(VALIDATION_ROWS)
        nats = weighted_validation(model, batches)()["val_loss"]
        return [
            Metric(
                name="nats_per_token",
                value=nats,
                unit="nats/token",
                definition="mean -log p of the tokens that filled gaps, those of the gaps included",
                samples=int(arrays[2].sum()),
                counted="tokens",
                seed=0,
            )
        ]

    @property
    def _tokenizer(self) -> bytes:
        return self.data.tokenizer.to_str().encode()

    def _pairs(self, part: str) -> dict:
        """Return the pairs of a part by the language that is translated into."""
        return by_language(self.data.parts[part], self.data.languages)
