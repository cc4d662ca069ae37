"""How a tokenizer of images is trained: to know images again by their codes."""

from pathlib import Path

import numpy as np

from serving.content.pictures import to_uint8
from zoo.codes.codes import Codes
from zoo.codes.evaluate import CodesEvaluateConfig, evaluate
from zoo.data.images import Images
from zoo.metric import Metric
from zoo.task import Drawn
from zoo.training.image_task import ImageTask

SAMPLES = 32


class CodesTask(ImageTask):
    """The images of a recipe, without labels; see `zoo.task.Task`."""

    @property
    def data_classes(self) -> int:
        return 0

    def samples(self, shipped: Codes) -> Drawn:
        """Reconstruct images of the validation part."""
        return Drawn("image", beside(shipped, self.images), {})

    def evaluate(self, model: Codes, settings: CodesEvaluateConfig, figures: Path) -> list[Metric]:
        """Measure what is left of the test images, and which codes tell them."""
        images = self.images.arrays("test")[0]
        codes, made = model.encode_all(images), model.reconstruct(images)
        return list(evaluate(codes, made, model.config.vocabulary, self.images, settings))


def beside(model: Codes, images: Images) -> np.ndarray:
    """Return images of the validation part, each beside what is left of it.

    Args:
        model: of Keras, or of `serving`.
        images: of the recipe.

    Returns:
        uint8 `(rows, 8, H, W, C)`.
    """
    real = to_uint8(images.arrays("validation")[0][:SAMPLES])
    pairs = np.stack([real, model.reconstruct(real)], axis=1)  # (N, 2, H, W, C)
    whole = len(pairs) // 4 * 4
    return pairs[:whole].reshape(-1, 8, *real.shape[1:])
