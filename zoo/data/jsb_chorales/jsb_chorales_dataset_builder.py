"""Four-part chorales of J. S. Bach, as a TensorFlow Datasets builder."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

_URL = "https://raw.githubusercontent.com/czhuang/JSB-Chorales-dataset/master/Jsb16thSeparated.json"
_DESCRIPTION = """
Four-part chorales of J. S. Bach, one row for each 16th note: the MIDI pitch of soprano, alto, tenor
and bass, -1 for silence. Held and repeated notes look the same. Split of Boulanger-Lewandowski et
al. 2012 into 229, 76 and 77 pieces.
"""
_SPLITS = {"train": "train", "validation": "valid", "test": "test"}  # as the file calls them


class Builder(tfds.core.GeneratorBasedBuilder):
    """Data set `jsb_chorales`: `notes`, int16 `(T, 4)`; a file of 1.7 MB is downloaded."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        notes = tfds.features.Tensor(shape=(None, 4), dtype=np.int16)
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict({"notes": notes}),
            homepage="https://github.com/czhuang/JSB-Chorales-dataset",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        path = Path(dl_manager.download(_URL))
        return {split: self._generate_examples(path, written) for split, written in _SPLITS.items()}

    def _generate_examples(self, path: Path, written: str) -> Iterator[tuple[int, dict]]:
        for index, piece in enumerate(json.loads(path.read_text())[written]):
            notes = np.array(piece, float)  # silence may be written as no number
            notes = np.where(np.isnan(notes) | (notes < 0), -1, notes).astype(np.int16)
            yield index, {"notes": notes}
