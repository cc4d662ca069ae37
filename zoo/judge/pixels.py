"""A judge that needs no training, for images of which there are no labels to train one with."""

import hashlib

import numpy as np


class Pixels:
    """Compares images by their pixels, averaged down to about 8x8; it knows a single class.

    It sees whether shapes and their variety are right, and nothing finer: with labels at hand,
    train a `zoo.judge.Classifier`.

    Example:
        >>> Pixels().features(np.zeros((3, 28, 28, 1), "float32")).shape
        (3, 81)
    """

    name = "pixels"
    sha256 = hashlib.sha256(b"pixels averaged down to about 8x8").hexdigest()
    image_shape = None
    classes = 1
    class_names = ()

    def features(self, images: np.ndarray) -> np.ndarray:
        """Map images `(N, H, W, C)` float32 in [0, 1] to features `(N, F)`."""
        count, height, width, channels = images.shape
        rows, columns = max(1, height // 8), max(1, width // 8)
        images = images[:, : height // rows * rows, : width // columns * columns]
        tiles = images.reshape(
            count, images.shape[1] // rows, rows, images.shape[2] // columns, columns, channels
        )
        return tiles.mean(axis=(2, 4)).reshape(count, -1)

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Map images `(N, H, W, C)` to `(N, 1)`: all are of the one class."""
        return np.ones((len(images), 1), np.float32)
