"""How a network that restyles is trained: judged by what another network sees of its paintings."""

from itertools import product
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from serving.photographs.photograph import Photograph
from serving.photographs.restyling import Styler
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.style.data import StyleData, square
from zoo.style.evaluate import StyleEvaluateConfig, evaluate
from zoo.style.model import Restyler, styler_of
from zoo.style.perception import perception
from zoo.task import Drawn
from zoo.training.array_task import OneOptimizerTask

SHEET = (4, 6)  # photographs and paintings on a sheet of samples
CELL = 112  # pixels of a side of what is shown
FINER = 2  # times as large it is painted


class StyleTask(OneOptimizerTask):
    """Photographs and paintings, and how a model learns from them; see `zoo.task.Task`.

    Args:
        recipe: with `[model]` a `StyleConfig` and `[data]` a `StyleDataConfig`.
    """

    def __init__(self, recipe: Recipe):
        super().__init__(recipe)
        self.data = StyleData(recipe.data)
        self.source = self.data.source
        per_epoch = -(-self.data.count("train") // recipe.train.batch_size)
        self.steps_per_epoch = recipe.train.steps_per_epoch or per_epoch
        self.smallest_batch = recipe.train.batch_size

    def training_batches(self, start: int) -> tf.data.Dataset:
        """Return batches of patches and crops without end, from step `start` on."""
        train, judge = self.recipe.train, perception(self.recipe.model.features)
        return self.data.training_batches(train.batch_size, judge, train.seed, start)

    def validation_examples(self) -> tuple:
        """Return photographs that are held out, with crops of paintings."""
        judge = perception(self.recipe.model.features)
        return self.data.validation_examples(judge, self.recipe.train.seed)

    def samples(self, shipped: Restyler) -> Drawn:
        """Paint photographs of the validation part in styles that were learned."""
        return Drawn("photograph", [sheet(styler_of(shipped), self.data, *SHEET)], {})

    def evaluate(
        self, model: Restyler, settings: StyleEvaluateConfig, figures: Path
    ) -> list[Metric]:
        """Compare with optimising the pixels of each painting."""
        return evaluate(styler_of(model), self.data, self.recipe.model, settings)


def sheet(styler: Styler, data: StyleData, photographs: int, paintings: int) -> Photograph:
    """Lay out photographs painted in several styles, with both beside them.

    Photographs, the first column, are of the validation part. Paintings, the first row, are spread
    over those that were learned from.
    """
    shown = [Photograph.of(each) for each in data.squares("validation", FINER * CELL, photographs)]
    known = list(data.paintings.part(held_out=False).values())
    rows = np.linspace(0, len(known) - 1, min(paintings, len(known))).astype(int)
    chosen = [known[row] for row in rows]
    styles = [styler.style(each) for each in chosen]
    size = ((len(chosen) + 1) * CELL, (len(shown) + 1) * CELL)
    whole = Image.new("RGB", size, "white")
    for column, painting in enumerate(chosen, 1):
        whole.paste(_cell(painting), (column * CELL, 0))
    for row, photograph in enumerate(shown, 1):
        whole.paste(_cell(photograph), (0, row * CELL))
    for (row, photograph), (column, style) in product(enumerate(shown, 1), enumerate(styles, 1)):
        painted = styler.paint(photograph, style)
        whole.paste(_cell(painted), (column * CELL, row * CELL))
    return Photograph(whole)


def _cell(picture: Photograph) -> Image.Image:
    return Image.fromarray(square(picture, CELL))
