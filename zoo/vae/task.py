"""How a VAE is trained: on images, by one optimizer, judged by its own objective."""

from pathlib import Path

from zoo.metric import Metric
from zoo.training.image_task import ImageTask
from zoo.vae.evaluation import EvaluateConfig, KerasLatentModel, evaluate
from zoo.vae.evaluation.drawn import judged
from zoo.vae.vae import VAE


class VAETask(ImageTask):
    """The images of a recipe, and how a VAE learns from them; see `zoo.task.Task`."""

    def evaluate(self, model: VAE, settings: EvaluateConfig, figures: Path) -> list[Metric]:
        """Measure the likelihood of the test images, and more; see `zoo.vae.evaluation`."""
        images, labels = self.images.arrays("test")
        drawn = judged(model.generate, self.images, settings)
        measured = evaluate(KerasLatentModel(model), images, labels, settings, figures_dir=figures)
        return [*measured, *drawn]
