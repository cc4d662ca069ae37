"""The translations of Multi30k, as a TensorFlow Datasets builder."""

from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds

_DESCRIPTION = """
Multi30k task 1, English image descriptions and their German translations, raw text; test is
test_2016_flickr.
"""

_CITATION = """
@inproceedings{W16-3210,
  title={Multi30K: Multilingual English-German Image Descriptions},
  author={Elliott, Desmond and Frank, Stella and Sima'an, Khalil and Specia, Lucia},
  booktitle={Proceedings of the 5th Workshop on Vision and Language},
  year={2016}
}
"""

_PLACE = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"
_FILES = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
LANGUAGES = ("en", "de")


class Builder(tfds.core.GeneratorBasedBuilder):
    """Data set `multi30k`: `en` and `de`, a sentence each; downloaded from its home page."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {language: tfds.features.Text() for language in LANGUAGES}
            ),
            supervised_keys=LANGUAGES,
            homepage="https://github.com/multi30k/dataset",
            citation=_CITATION,
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        urls = {
            split: [f"{_PLACE}/{file}.{language}.gz" for language in LANGUAGES]
            for split, file in _FILES.items()
        }
        files = dl_manager.download_and_extract(urls)
        return {split: self._generate_examples(*pair) for split, pair in files.items()}

    def _generate_examples(self, *paths: Path) -> Iterator[tuple[int, dict]]:
        texts = [Path(path).read_text(encoding="utf-8").split("\n") for path in paths]
        if len({*map(len, texts)}) > 1:
            raise ValueError(f"{paths[0]} and {paths[1]} are not of as many lines")
        for index, pair in enumerate(zip(*texts, strict=True)):
            if any(pair):  # a file ends with a line end
                yield index, dict(zip(LANGUAGES, pair, strict=True))
