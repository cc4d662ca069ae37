"""Every evaluator on one model."""

from pathlib import Path

import numpy as np

from serving.errors import UsageError
from zoo.metric import Metric
from zoo.vae.evaluation.config import EvaluateConfig
from zoo.vae.evaluation.figures import draw_figures
from zoo.vae.evaluation.latents import active_units
from zoo.vae.evaluation.likelihood import likelihood
from zoo.vae.evaluation.posteriors import at
from zoo.vae.evaluation.reconstruction import reconstruction
from zoo.vae.evaluation.subject import Labels, LatentModel

# The slow one last, so that a broken model fails soon.
EVALUATORS = (reconstruction, active_units, likelihood)


def evaluate(
    subject: LatentModel,
    images: np.ndarray,
    labels: Labels = None,
    settings: EvaluateConfig | None = None,
    figures_dir: str | Path | None = None,
) -> list[Metric]:
    """Measure a model on images it was not trained on.

    Args:
        subject: `KerasLatentModel(model)`, or any other `LatentModel`.
        images: float32 `(N, H, W, C)` in [0, 1].
        labels: int `(N,)`; used, and needed, by a conditional model only.
        settings: defaults of `EvaluateConfig` unless given.
        figures_dir: where `reconstructions.png` and `traversal.png` are written, if anywhere.

    Returns:
        The metrics `mse`, `psnr`, `ssim` (images of at least 11x11), `active_units`, `nll`,
        `bits_per_dim`, `elbo`, `reconstruction` and `kl`, in this order.

    Raises:
        UsageError: images or labels are not what the model takes.
        EvaluationError: a metric is not finite.

    Example:
        >>> import numpy as np, zoo
        >>> from zoo.vae.evaluation import EvaluateConfig, KerasLatentModel
        >>> model = zoo.VAE(zoo.VAEConfig(latent_dim=2, hidden=(8,)))
        >>> settings = EvaluateConfig(importance_samples=10)
        >>> images = np.zeros((4, 28, 28, 1), "float32")
        >>> metrics = evaluate(KerasLatentModel(model), images, settings=settings)
        >>> metrics[0].name
        'mse'
    """
    settings = settings or EvaluateConfig()
    chosen = slice(settings.limit)
    images = _checked_images(images[chosen], subject.image_shape)
    labels = _checked_labels(at(labels, chosen), subject.classes, len(images))
    metrics = [
        metric
        for evaluator in EVALUATORS
        for metric in evaluator(subject, images, labels, settings)
    ]
    if figures_dir is not None:
        draw_figures(subject, images, labels, settings, figures_dir)
    return metrics


def _checked_images(images: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    if images.shape[1:] != tuple(shape) or not len(images):
        raise UsageError(
            f"images have shape {images.shape}; the model takes (N, "
            f"{', '.join(map(str, shape))}) with N of at least 1"
        )
    if images.dtype != np.float32 or not (images.min() >= 0 and images.max() <= 1):
        raise UsageError("images must be float32 in [0, 1]; divide 8-bit pixels by 255")
    return images


def _checked_labels(labels: Labels, classes: int, count: int) -> Labels:
    if not classes:
        return None
    if labels is None or len(labels) != count:
        raise UsageError(f"the model is conditional; give one label for each of {count} images")
    if labels.min() < 0 or labels.max() >= classes:
        raise UsageError(
            f"labels go from {labels.min()} to {labels.max()}; the model takes 0 to {classes - 1}"
        )
    return labels.astype(np.int32)
