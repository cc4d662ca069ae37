"""The help topics that CPython installs, as a TensorFlow Datasets builder of English text."""

import hashlib
import platform
from collections.abc import Iterator
from pydoc_data.topics import topics
from typing import ClassVar

import tensorflow_datasets as tfds

_SEPARATOR = "\n\n\n"
_TEXT = _SEPARATOR.join(topics[name].strip("\n") for name in sorted(topics)) + "\n"
_SHA256 = hashlib.sha256(_TEXT.encode()).hexdigest()
_PYTHON = platform.python_version()

_DESCRIPTION = f"""
English technical prose: the topics of Python's `help()` (`pydoc_data.topics`, drawn from the Python
language reference), sorted by name and joined by two empty lines. The first 90% of the characters
are the train split, the next 5% validation, the last 5% test, each one example, as in
`tiny_shakespeare`. The text differs between releases of Python: this one is of Python {_PYTHON},
{len(_TEXT):,} characters, sha256 {_SHA256}.
"""


class Builder(tfds.core.GeneratorBasedBuilder):
    """Data set `python_topics`: `text`, one example in each of three splits; needs no network."""

    VERSION = tfds.core.Version("1.0.0")
    # The configuration names the Python and the text: a copy made by another Python is not taken.
    BUILDER_CONFIGS: ClassVar = [
        tfds.core.BuilderConfig(
            name=f"python-{_PYTHON}-{_SHA256[:8]}", description=f"The text of Python {_PYTHON}."
        )
    ]

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict({"text": tfds.features.Text()}),
            homepage="https://docs.python.org/3/reference/",
            license="PSF-2.0",
            metadata=tfds.core.MetadataDict(
                {"python": _PYTHON, "sha256": _SHA256, "characters": len(_TEXT)}
            ),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        train_end = int(len(_TEXT) * 0.9)
        validation_end = train_end + (len(_TEXT) - train_end) // 2
        return {
            "train": self._generate_examples(_TEXT[:train_end]),
            "validation": self._generate_examples(_TEXT[train_end:validation_end]),
            "test": self._generate_examples(_TEXT[validation_end:]),
        }

    def _generate_examples(self, text: str) -> Iterator[tuple[int, dict]]:
        yield 0, {"text": text}
