"""What the latent units do."""

from collections.abc import Iterator

import numpy as np

from zoo.metric import Metric
from zoo.vae.evaluation.config import EvaluateConfig
from zoo.vae.evaluation.posteriors import Posteriors, infer, observed
from zoo.vae.evaluation.subject import Labels, LatentModel

ACTIVE = 0.01  # variance over the data above which a unit counts, as in the paper


def active_units(
    subject: LatentModel, images: np.ndarray, labels: Labels, settings: EvaluateConfig
) -> Iterator[Metric]:
    """Yield how many units of the latent depend on the image.

    Reference:
        Burda et al. 2016 (arXiv:1509.00519), section 5.2.
    """
    images = observed(images, subject.likelihood, settings.seed)
    variances = activity(infer(subject, images, labels, settings.batch_size))
    yield Metric(
        name="active_units",
        value=float(np.sum(variances > ACTIVE)),
        unit=f"of {subject.latent_dim}",
        definition=f"latent units whose posterior mean, measured from the prior's mean in its "
        f"standard deviations, has a variance above {ACTIVE} over the test images",
        samples=len(images),
        seed=settings.seed,
        better="higher",
    )


def activity(posteriors: Posteriors) -> np.ndarray:
    """Return the variance over images of each unit's posterior mean: `(D,)`.

    The mean is taken relative to the prior, which changes nothing for a standard normal prior. With
    a label-conditional one, a unit that only repeats its prior says nothing of the image.
    """
    deviation = np.exp(0.5 * posteriors.prior_log_variance)
    return np.var((posteriors.mean - posteriors.prior_mean) / deviation, axis=0, dtype=np.float64)
