"""Losses of the two players and penalties on the discriminator's slope: pure functions.

A logit is what the discriminator says of an image, high for real. Every function gives one value
per example, so that the mean can be taken over the global batch.
"""

from keras import KerasTensor, ops


def discriminator_loss(
    real: KerasTensor, fake: KerasTensor, loss: str, label_smoothing: float = 0.0
) -> KerasTensor:
    """What the discriminator minimises.

    Args:
        real, fake: logits of real and of generated images, `(B,)` each.
        loss: `non_saturating` (Goodfellow et al. 2014, arXiv:1406.2661, in nats), `hinge` (Lim and
            Ye 2017, arXiv:1705.02894), `least_squares` (Mao et al. 2017, arXiv:1611.04076, with
            targets 1 and 0) or `wasserstein` (Arjovsky et al. 2017, arXiv:1701.07875).
        label_smoothing: taken from the target 1 of real images (Salimans et al. 2016,
            arXiv:1606.03498); `non_saturating` and `least_squares` only.

    Returns:
        `(B,)`.

    Example:
        >>> import numpy as np
        >>> float(discriminator_loss(np.array([2.0]), np.array([-0.5]), "hinge")[0])
        0.5
    """
    target = 1 - label_smoothing
    if loss == "non_saturating":  # cross-entropy of sigmoid(logit), safe for any logit
        return ops.softplus(real) - target * real + ops.softplus(fake)
    if loss == "hinge":
        return ops.relu(1 - real) + ops.relu(1 + fake)
    if loss == "least_squares":
        return 0.5 * (ops.square(real - target) + ops.square(fake))
    if loss == "wasserstein":
        return fake - real
    raise ValueError(f"loss is '{loss}'; expected one that the docstring names")


def generator_loss(fake: KerasTensor, loss: str) -> KerasTensor:
    """What the generator minimises; see `discriminator_loss`.

    Args:
        fake: logits of generated images, `(B,)`.
        loss: its name.

    Returns:
        `(B,)`.

    Example:
        >>> import numpy as np
        >>> float(generator_loss(np.array([3.0]), "wasserstein")[0])
        -3.0
    """
    if loss == "non_saturating":  # -log D rather than log(1 - D), whose slope vanishes early
        return ops.softplus(-fake)
    if loss in ("hinge", "wasserstein"):
        return -fake
    if loss == "least_squares":
        return 0.5 * ops.square(fake - 1)
    raise ValueError(f"loss is '{loss}'; expected one that discriminator_loss names")


def gradient_penalty(slopes: KerasTensor) -> KerasTensor:
    """Squared distance of each slope's norm from 1.

    Args:
        slopes: gradient of each logit by its own image, `(B, ...)`, taken at random points between
            a real and a generated image.

    Returns:
        `(B,)`.

    Reference:
        Gulrajani et al. 2017 (arXiv:1704.00028), eq. 3.

    Example:
        >>> import numpy as np
        >>> round(float(gradient_penalty(np.array([[3.0, 4.0]]))[0]), 4)
        16.0
    """
    # The root has no slope at 0; the shift is too small to see anywhere else.
    return ops.square(ops.sqrt(r1_penalty(slopes) + 1e-12) - 1)


def r1_penalty(slopes: KerasTensor) -> KerasTensor:
    """Squared norm of each slope; its weight in the loss is gamma / 2.

    Args:
        slopes: gradient of each logit by its own real image, `(B, ...)`.

    Returns:
        `(B,)`.

    Reference:
        Mescheder et al. 2018 (arXiv:1801.04406), eq. 9.

    Example:
        >>> import numpy as np
        >>> float(r1_penalty(np.array([[3.0, 4.0]]))[0])
        25.0
    """
    return ops.sum(ops.square(slopes), axis=tuple(range(1, len(slopes.shape))))


def classification_loss(class_logits: KerasTensor, condition: KerasTensor) -> KerasTensor:
    """Cross-entropy in nats of logits and one-hot labels, both `(B, classes)` -> `(B,)`.

    Reference:
        Odena et al. 2017 (arXiv:1610.09585).
    """
    return -ops.sum(condition * ops.log_softmax(class_logits, axis=-1), axis=-1)


def disagreement(first: KerasTensor, second: KerasTensor) -> KerasTensor:
    """How far what a classifier says of two views of an image differs, and how unsure it is.

    The cross-entropy of each view given the other, in nats (Hu et al. 2017, arXiv:1702.08720).

    Args:
        first, second: logits of the classes, `(B, classes)` each.

    Returns:
        `(B,)`.

    Example:
        >>> import numpy as np
        >>> sure, other = np.array([[9.0, 0.0]]), np.array([[0.0, 9.0]])
        >>> [round(float(disagreement(sure, each)[0]), 3) for each in (sure, other)]
        [0.001, 8.999]
    """
    first, second = ops.log_softmax(first), ops.log_softmax(second)
    return -0.5 * ops.sum(ops.exp(first) * second + ops.exp(second) * first, axis=-1)


def entropy(probabilities: KerasTensor) -> KerasTensor:
    """Return the entropy of a distribution `(..., classes)` in nats.

    Example:
        >>> import numpy as np
        >>> round(float(entropy(np.array([0.5, 0.5]))), 3)
        0.693
    """
    return -ops.sum(probabilities * ops.log(ops.maximum(probabilities, 1e-9)), axis=-1)
