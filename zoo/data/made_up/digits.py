"""The handwritten digits that data sets are made of."""

from typing import TYPE_CHECKING

import numpy as np

from serving.errors import UsageError
from zoo.data.sources import SourceInfo

if TYPE_CHECKING:
    import tensorflow_datasets as tfds

CLASSES = 10


def check_digits(source: SourceInfo, name: str, of: str) -> None:
    """Refuse a data set whose images are no grey digits of ten classes.

    Args:
        source: what is known of it.
        name: of the data set.
        of: what is made of them, for the message.

    Raises:
        UsageError: they are none.
    """
    is_grey = source.image_shape is not None and source.image_shape[-1] == 1
    if source.classes != CLASSES or not is_grey or not {"train", "test"} <= {*source.splits}:
        raise UsageError(
            f"data set '{name}' cannot give the digits of {of}; expected grey images of "
            f"{CLASSES} classes in the splits train and test, as of mnist or digits"
        )


def read_digits(builder: "tfds.core.DatasetBuilder", split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the digits of a split, uint8 `(N, H, W)`, and their labels `(N,)`."""
    batches = list(builder.as_dataset(split=split).batch(1024).as_numpy_iterator())
    image, label = (np.concatenate([batch[key] for batch in batches]) for key in ("image", "label"))
    return image[..., 0], label
