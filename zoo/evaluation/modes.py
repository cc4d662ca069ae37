"""What a judge recognises in images: how surely, how often each class, whether what was asked for.

Probabilities are `(N, classes)`, each row of which sums to 1.
"""

import numpy as np


def inception_score(probabilities: np.ndarray, splits: int = 10) -> float:
    """Exponential of the mean divergence of each image's classes from the classes of all.

    Between 1 and the number of classes; higher when images are sure to be of one class each and of
    all classes equally. It sees no difference within a class.

    Args:
        probabilities: in random order, since each of the `splits` is scored by itself.
        splits: parts whose scores are averaged.

    Reference:
        Salimans et al. 2016 (arXiv:1606.03498), section 4.

    Example:
        >>> round(inception_score(np.tile(np.eye(4), (10, 1)), splits=1), 6)
        4.0
    """
    scores = []
    for part in np.array_split(
        np.asarray(probabilities, np.float64), min(splits, len(probabilities))
    ):
        marginal = part.mean(axis=0)
        ratio = np.log(np.maximum(part, 1e-300)) - np.log(np.maximum(marginal, 1e-300))
        scores.append(np.exp(np.sum(part * ratio, axis=1).mean()))
    return float(np.mean(scores))


def label_agreement(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Share of images whose most probable class is the label they were generated for.

    Example:
        >>> label_agreement(np.eye(3), np.array([0, 1, 1])).__round__(3)
        0.667
    """
    return float(np.mean(np.argmax(probabilities, axis=1) == labels))


def class_shares(probabilities: np.ndarray) -> np.ndarray:
    """Return the share of images of which each class is the most probable one, `(classes,)`.

    Example:
        >>> class_shares(np.array([[0.9, 0.1], [0.8, 0.2]]))
        array([1., 0.])
    """
    count, classes = probabilities.shape
    return np.bincount(np.argmax(probabilities, axis=1), minlength=classes) / count


def relative_shares(probabilities: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Return each class's share over its share of a reference, `(classes,)`; 1 where they agree.

    A class that the reference lacks counts as if one image had it.
    """
    least = 1 / len(reference)
    return class_shares(probabilities) / np.maximum(class_shares(reference), least)
