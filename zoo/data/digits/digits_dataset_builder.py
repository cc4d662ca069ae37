"""The handwritten digits that scikit-learn installs, as a TensorFlow Datasets builder."""

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

_DESCRIPTION = """
Handwritten digits, 8x8 pixels, one channel: the test part of "Optical Recognition of Handwritten
Digits", as installed with scikit-learn. The original values 0..16 are scaled to 0..255. Of the
images in order of class every fifth is in the test split, which leaves 1,437 to train on and 360 to
test on, with the classes in equal shares.
"""

_CITATION = """
@misc{alpaydin1998optical,
  author={Alpaydin, E. and Kaynak, C.},
  title={Optical Recognition of Handwritten Digits},
  year={1998},
  publisher={UCI Machine Learning Repository},
  doi={10.24432/C50P49}
}
"""


class Builder(tfds.core.GeneratorBasedBuilder):
    """Data set `digits`: `image` uint8 (8, 8, 1), `label` 0..9; needs no network."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1)),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://doi.org/10.24432/C50P49",
            citation=_CITATION,
            license="CC BY 4.0",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., None]  # (N, 8, 8, 1)
        by_class = np.argsort(digits.target, kind="stable")
        is_test = np.zeros(len(images), bool)
        is_test[by_class[::5]] = True
        return {
            "train": self._generate_examples(images, digits.target, np.flatnonzero(~is_test)),
            "test": self._generate_examples(images, digits.target, np.flatnonzero(is_test)),
        }

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray, chosen: np.ndarray
    ) -> Iterator[tuple[int, dict]]:
        for index in chosen.tolist():
            yield index, {"image": images[index], "label": int(labels[index])}
