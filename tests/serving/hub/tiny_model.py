"""A model of a few bytes that is downloaded from anywhere, and what must hold whatever happens."""

import hashlib
import random

import pytest

from serving.catalogue import Entry, Pin
from serving.errors import GenzooError
from serving.hub import cache
from serving.hub.download import download

DATA = random.Random(0).randbytes(200_000)
FILES = {"bundle.json": b"{}", "decoder.onnx": DATA, "README.md": b"# tiny\n", "empty.txt": b""}


def entry_of(files, graphs=("decoder.onnx",)):
    """Return what pins these files of a model."""
    pins = {
        name: Pin(sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))
        for name, data in files.items()
    }
    return Entry(
        family="vae",
        task="image generation",
        summary="",
        dataset="",
        dataset_license="",
        license="",
        parameters=1,
        metric=None,
        variants={"fp32": list(graphs)},
        files=pins,
    )


ENTRY = entry_of(FILES)


def fetch(*places, files=("decoder.onnx",), **options):
    """Download files of the model `tiny` from places."""
    return download("tiny", ENTRY, files, [str(place) for place in places], **options)


def refusal(*places, **options):
    """Return the one line that says why `fetch` failed; nothing wrong was kept."""
    with pytest.raises(GenzooError) as caught:
        fetch(*places, **options)
    assert "\n" not in str(caught.value)
    assert_nothing_wrong_is_kept()
    return str(caught.value)


def assert_nothing_wrong_is_kept():
    """Every file of the cache that has its final name has the pinned bytes."""
    for copy in cache.copies():
        for path in copy.files:
            if not path.name.endswith(".part"):
                assert cache.is_whole(path, copy.entry.files[path.name]), path
