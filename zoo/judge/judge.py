"""Who judges generated images: whoever maps images to features and to probabilities."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import keras
import numpy as np
import tensorflow as tf

from serving.errors import UsageError, first_line
from zoo.judge.classifier import Classifier

BATCH = 500  # images that go through the network at once; bounds memory


class Judge(Protocol):
    """What the evaluation of samples needs; bring Inception, or a network of your own.

    Attributes:
        name: for people.
        sha256: of its weights, so that two numbers are known to be of one judge.
        image_shape: `(H, W, C)` of the images that it takes; None for any.
        classes: how many it tells apart; 1 for none.
        class_names: what they are; empty where nobody wrote it down.
    """

    name: str
    sha256: str
    image_shape: tuple[int, int, int] | None
    classes: int
    class_names: tuple[str, ...]

    def features(self, images: np.ndarray) -> np.ndarray:
        """Map images `(N, H, W, C)` float32 in [0, 1] to features `(N, F)`."""

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Map images `(N, H, W, C)` float32 in [0, 1] to probabilities `(N, classes)`."""


class KerasJudge:
    """A trained `Classifier` as a `Judge`.

    Args:
        model: receives the weights.
        weights: a `.weights.h5` file.
        name: for people; the file's name unless given.
        sha256: what the file must hash to; not checked unless given.
        class_names: what its labels mean, as far as it is known.

    Raises:
        UsageError: the file is not there, is another one, or does not fit the model.
    """

    def __init__(
        self,
        model: Classifier,
        weights: str | Path,
        name: str | None = None,
        sha256: str | None = None,
        class_names: Iterable[str] = (),
    ):
        self.name = name or Path(weights).name.removesuffix(".weights.h5")
        self.image_shape, self.classes = model.config.image_shape, model.config.classes
        self.class_names = tuple(class_names)
        self.sha256 = receive(model, Path(weights), sha256)
        self._features = tf.function(model.features, reduce_retracing=True)
        self._probabilities = tf.function(model.probabilities, reduce_retracing=True)

    def features(self, images: np.ndarray) -> np.ndarray:
        """Map images `(N, H, W, C)` float32 in [0, 1] to features `(N, F)` float32."""
        return in_batches(self._features, images)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Map images `(N, H, W, C)` float32 in [0, 1] to probabilities `(N, classes)` float32."""
        return in_batches(self._probabilities, images)


def receive(model: keras.Model, weights: Path, sha256: str | None = None) -> str:
    """Give a judge its weights, and return their sha256.

    Args:
        model: of whatever kind.
        weights: a `.weights.h5` file.
        sha256: what the file must hash to; not checked unless given.

    Raises:
        UsageError: the file is not there, is another one, or does not fit the model.
    """
    if not weights.is_file():
        raise UsageError(f"there are no weights at {weights}; train the judge first")
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if sha256 not in (None, found):
        raise UsageError(
            f"{weights} has sha256 {found[:12]}..., expected {sha256[:12]}...; fetch "
            "that file, since numbers by two judges cannot be compared"
        )
    try:
        model.load_weights(weights)
    except (ValueError, OSError, KeyError) as error:
        raise UsageError(f"{weights} does not fit the judge: {first_line(error)}") from None
    return found


def in_batches(function: Callable[[np.ndarray], tf.Tensor], images: np.ndarray) -> np.ndarray:
    """Apply a network to images `(N, H, W, C)`, a few at a time, and return all rows."""
    starts = range(0, len(images), BATCH)
    return np.concatenate([function(images[start : start + BATCH]).numpy() for start in starts])
