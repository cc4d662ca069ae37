"""How a judge is trained: as any classifier."""

from pathlib import Path

import keras
import numpy as np

from zoo.judge.classifier import Classifier
from zoo.judge.config import ClassifierEvaluateConfig
from zoo.judge.judge import in_batches
from zoo.metric import Metric
from zoo.training.image_task import ImageTask


class ClassifierTask(ImageTask):
    """The images of a recipe, and how a judge learns from them; see `zoo.task.Task`."""

    def samples(self, shipped: keras.Model) -> None:
        """Draw nothing: a judge makes no samples."""

    def evaluate(
        self, model: Classifier, settings: ClassifierEvaluateConfig, figures: Path
    ) -> list[Metric]:
        """Measure the share of test images that are recognised."""
        images, labels = self.images.arrays("test")
        images, labels = images[: settings.limit], labels[: settings.limit]
        found = np.argmax(in_batches(model.probabilities, images), axis=1)
        return [
            Metric(
                name="accuracy",
                value=float(np.mean(found == labels)),
                unit="",
                definition="share of test images whose most probable label is their own",
                samples=len(images),
                seed=0,
                better="higher",
            )
        ]
