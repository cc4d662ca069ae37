"""The second part: how probable codes are, each given those before it."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from keras import KerasTensor, layers, ops
from pydantic import Field

from codebook.codes import Codes
from codebook.runtime import draw
from zoo.config import Config
from zoo.data.images import Images, ImagesConfig
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.task import Drawn
from zoo.training import replicas
from zoo.training.array_task import ArrayTask
from zoo.training.beginning import model_of, recipe_of
from zoo.training.built import BuiltModel

Size = Annotated[int, Field(gt=0)] | None


class PriorConfig(Config):
    """The run of the codes, which decides the sizes that are not given."""

    family: Literal["code-prior"] = "code-prior"
    codes: str
    positions: Size = None
    vocabulary: Size = None
    hidden: Annotated[int, Field(gt=0)] = 256


class Prior(BuiltModel):
    """Maps codes `(B, positions)` to logits of each given those before it, `(B, positions, V)`."""

    def __init__(self, config: PriorConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.hidden = layers.Dense(config.hidden, "relu")
        self.logits = layers.Dense(config.vocabulary)
        self(ops.zeros((1, config.positions), "int32"))

    def call(self, codes: KerasTensor, training: bool = False) -> KerasTensor:
        positions, vocabulary = self.config.positions, self.config.vocabulary
        before = np.tril(np.ones((positions, positions), "float32"), -1)[:, :, None]
        seen = ops.expand_dims(ops.one_hot(codes, vocabulary), 1) * before  # (B, T, S, V)
        seen = ops.reshape(seen, (-1, positions, positions * vocabulary))
        place = ops.broadcast_to(
            np.eye(positions, dtype="float32"), (*ops.shape(seen)[:2], positions)
        )
        return self.logits(self.hidden(ops.concatenate([seen, place], axis=-1)))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return nats a code."""
        nats = ops.sparse_categorical_crossentropy(x, y_pred, from_logits=True)
        return replicas.scale_loss(replicas.global_mean(ops.mean(nats, axis=1)))

    def validation_loss(self, codes: KerasTensor) -> KerasTensor:
        """Return nats a code."""
        return self.compute_loss(x=codes, y_pred=self(codes))


def code_nats(codes: np.ndarray, logits: np.ndarray) -> Metric:
    """Measure how well codes of test images are predicted."""
    shifted = logits - logits.max(-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return Metric(
        name="code_nats",
        value=-float(np.take_along_axis(log_p, codes[..., None].astype(int), -1).mean()),
        unit="nats/code",
        definition="mean -log p of each code of the test images given those before it",
        samples=len(codes),
        seed=0,
    )


class PriorTask(ArrayTask):
    """The codes of images, by the model that was trained before."""

    def __init__(self, recipe: "PriorRecipe"):
        self.codes: Codes = model_of(recipe.model.codes)
        self.images = Images(recipe.data, self.codes.config.image_shape)
        super().__init__(recipe, self.images.source, *map(self._encoded, ("train", "validation")))

    def _encoded(self, part: str) -> np.ndarray:
        return np.asarray(self.codes.encode(self.images.arrays(part)[0]), np.int32)

    def samples(self, shipped: Prior) -> Drawn:
        return Drawn("image", draw(16, 0, shipped.config.positions, shipped, self.codes.decode), {})

    def evaluate(self, model: Prior, settings: Any, figures: Path) -> list[Metric]:
        codes = self._encoded("test")
        return [code_nats(codes, np.asarray(model(codes)))]


class PriorRecipe(Recipe):
    """The codes of images, and their `Prior`."""

    model: PriorConfig
    data: ImagesConfig
    evaluate: Config = Config()

    quick: ClassVar[dict[str, Any]] = {**Recipe.quick, "data.limit": 256, "data.validation": 64}
    part: ClassVar[str] = "prior"
    earlier: ClassVar[dict[str, str]] = {"codes": "model.codes"}

    def completed(self) -> "PriorRecipe":
        codes = recipe_of(self.model.codes).model
        sizes = {"positions": codes.positions, "vocabulary": codes.vocabulary}
        return self.model_copy(update={"model": self.model.model_copy(update=sizes)})

    def build(self) -> Prior:
        return Prior(self.model)

    def task(self) -> PriorTask:
        return PriorTask(self)
