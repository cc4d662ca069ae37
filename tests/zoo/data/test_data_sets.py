"""Data sets by name: really prepared, in temporary directories, offline."""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests
import tensorflow_datasets as tfds

from serving.errors import UsageError
from tests.zoo.data.drawing import examples, photos, refusal
from zoo.data import describe, offline_names, prepare, sources

pytestmark = pytest.mark.usefixtures("home")
REPOSITORY = Path(__file__).resolve().parents[3]

# Embedded data sets


def test_digits(home):
    builder = prepare("digits")
    info = describe(builder)
    assert (info.name, info.kind, info.image_shape, info.classes) == (
        "digits",
        "images",
        (8, 8, 1),
        10,
    )
    assert info.splits == {"train": 1437, "test": 360}
    assert info.license == "CC BY 4.0" and "Alpaydin" in info.citation and info.url
    assert Path(builder.data_dir) == home / "digits" / "1.0.0"

    train, test = examples(builder, "train"), examples(builder, "test")
    pixels = np.stack([example["image"] for example in train + test])
    assert pixels.dtype == np.uint8 and pixels.min() == 0 and pixels.max() == 255
    counts = np.bincount([example["label"] for example in test], minlength=10)
    assert counts.min() >= 34 and counts.max() <= 37  # classes in equal shares


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    builder = prepare("digits")
    found = sorted(
        (int(e["label"]), e["image"][..., 0].tolist())
        for split in ("train", "test")
        for e in examples(builder, split)
    )
    original = load_digits()
    scaled = np.rint(original.images / 16 * 255).astype(int)
    wanted = sorted(zip(original.target.tolist(), scaled.tolist(), strict=True))
    assert found == wanted


def test_python_topics():
    from pydoc_data.topics import topics

    builder = prepare("python_topics")
    info = describe(builder)
    assert (info.kind, info.image_shape, info.classes) == ("text", None, 0)
    assert info.splits == {"train": 1, "validation": 1, "test": 1}
    parts = [examples(builder, split)[0]["text"].decode() for split in info.splits]
    text = "".join(parts)
    assert text.startswith(topics[min(topics)].strip("\n"))
    assert all(topic.strip("\n") in text for topic in topics.values())
    shares = [len(part) / len(text) for part in parts]
    assert shares == pytest.approx([0.9, 0.05, 0.05], abs=1e-4)


def test_python_topics_of_another_python_are_another_data_set():
    builder = prepare("python_topics")
    parts = [examples(builder, split)[0]["text"] for split in ("train", "validation", "test")]
    digest = hashlib.sha256(b"".join(parts)).hexdigest()
    version = ".".join(map(str, sys.version_info[:3]))
    assert builder.info.metadata["sha256"] == digest
    assert digest in builder.info.description and version in builder.info.description
    assert f"python-{version}-{digest[:8]}" in builder.data_dir


def test_second_use_opens_what_the_first_made():
    first = Path(prepare("digits").data_dir)
    before = {file: file.stat().st_mtime_ns for file in first.iterdir()}
    second = Path(prepare("digits").data_dir)
    assert {file: file.stat().st_mtime_ns for file in second.iterdir()} == before


@pytest.mark.long
def test_two_processes_make_one_data_set(home):
    code = "import random; random.seed(0); from zoo.data import prepare; prepare('digits')"
    both = [subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert len(examples(prepare("digits"), "test")) == 360
    assert [path.name for path in home.iterdir()] == ["digits"]  # nothing half-written


def test_preparing_says_nothing(capfd):
    prepare("digits")
    prepare("python_topics")
    out, err = capfd.readouterr()
    assert out == "" and "digits" not in err


def test_importing_the_package_loads_no_tensorflow():
    code = (
        "import sys, zoo.data.sources; zoo.data.offline_names(); print('tensorflow' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


# Where data lie


def test_data_directory_comes_first(tmp_path, monkeypatch):
    prepare("digits", data_dir=str(tmp_path / "chosen"))
    assert (tmp_path / "chosen" / "digits").is_dir()
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "chosen"))
    assert prepare("digits").data_dir.startswith(str(tmp_path / "chosen"))


def test_read_only_data_directory_is_read_and_not_written(tmp_path, home, monkeypatch):
    shared = tmp_path / "shared"
    prepare("digits", data_dir=str(shared))
    shared.chmod(0o555)
    monkeypatch.setenv("TFDS_DATA_DIR", str(shared))
    assert prepare("digits").data_dir.startswith(str(shared))
    assert prepare("python_topics").data_dir.startswith(str(home))
    assert [path.name for path in shared.iterdir()] == ["digits"]
    shared.chmod(0o755)


def test_nowhere_to_write(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENZOO_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert "set GENZOO_HOME" in refusal("digits")


@pytest.mark.parametrize("lost", ["digits-test.tfrecord-00000-of-00001", "dataset_info.json"])
def test_damaged_data_set(lost):
    directory = Path(prepare("digits").data_dir)
    (directory / lost).unlink()
    assert f"delete {directory} to make it anew" in refusal("digits")


@pytest.mark.long
def test_mnist_without_a_network(monkeypatch):
    places = [os.environ.get("TFDS_DATA_DIR"), REPOSITORY.parent / "shared" / "data" / "tfds"]
    found = [place for place in places if place and (Path(place) / "mnist").is_dir()]
    if not found:
        pytest.skip("MNIST is not on this machine: neither TFDS_DATA_DIR nor ../shared/data has it")
    monkeypatch.setenv("TFDS_DATA_DIR", str(found[0]))
    assert "mnist" in offline_names()
    builder = prepare("mnist")
    info = describe(builder)
    assert info.image_shape == (28, 28, 1) and info.classes == 10
    assert info.splits == {"train": 60000, "test": 10000}
    assert info.license == "CC BY-SA 3.0"
    first = next(iter(builder.as_dataset(split="train[:1]").as_numpy_iterator()))
    assert first["image"].shape == (28, 28, 1) and 0 <= first["label"] <= 9
    assert describe(prepare("mnist:3.0.1")) == info


# Names that lead nowhere


def test_typo():
    with pytest.raises(UsageError, match="no data set is named 'minst'; did you mean 'mnist'"):
        prepare("minst")
    assert "did you mean 'digits'" in refusal("digts")


@pytest.mark.parametrize("name", ["qqzzxx", "huggingface:zzz", "a b!", ""])
def test_unknown_name(name):
    with pytest.raises(UsageError, match="no data set is named"):
        prepare(name)
    assert "digits, python_topics, or a folder of images" in refusal("qqzzxx")


def test_unknown_configuration_and_version():
    assert "did you mean 'fog_1'" in refusal("cifar10_corrupted/fog1")
    assert "no configuration or version '9.0.0'" in refusal("mnist:9.0.0")


def test_folder_named_as_a_data_set(tmp_path, monkeypatch):
    photos(tmp_path / "qqphotos")
    monkeypatch.chdir(tmp_path)
    assert "say './qqphotos'" in refusal("qqphotos")


def test_download_without_a_network_fails_at_once(home, monkeypatch):
    def unreachable(url, **how):
        assert how["timeout"]
        raise requests.ConnectionError

    monkeypatch.setattr(requests, "get", unreachable)
    prepare("python_topics")
    start = time.monotonic()
    message = refusal("cifar10")
    assert time.monotonic() - start < 10
    assert message.startswith(
        "data set cifar10 is not on disk and www.cs.toronto.edu does not answer"
    )
    assert "without a network there are digits, python_topics, or a folder" in message


@pytest.fixture
def public():
    """A data set known to TensorFlow Datasets, whose code fails when it is asked to."""
    import tensorflow_datasets as tfds

    class QuiteGrey(tfds.core.GeneratorBasedBuilder):
        VERSION = tfds.core.Version("2.1.0")
        fails = False

        def _info(self):
            features = {"image": tfds.features.Image(shape=(2, 2, 3))}
            return tfds.core.DatasetInfo(
                builder=self, features=tfds.features.FeaturesDict(features)
            )

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            if self.fails:
                raise RuntimeError("the host hung up\nand more")
            yield 0, {"image": np.full((2, 2, 3), 7, np.uint8)}

    yield QuiteGrey
    from tensorflow_datasets.core import registered

    registered._DATASET_REGISTRY.pop(QuiteGrey.name)


def test_public_data_set_is_made_once(public, home):
    info = describe(prepare("quite_grey"))
    assert info.splits == {"train": 1} and info.license == "not stated"
    assert (info.classes, info.class_names) == (0, ())
    assert (home / "quite_grey" / "2.1.0").is_dir()
    assert offline_names() == ["digits", "python_topics", "quite_grey"]
    public.fails = True
    assert describe(prepare("quite_grey")) == info

    public.VERSION = "3.0.0"  # newer code than data: what is on disk will do
    assert describe(prepare("quite_grey")) == info


def test_public_data_set_that_fails_leaves_nothing(public, home):
    public.fails = True
    message = refusal("quite_grey")
    assert "quite_grey cannot be prepared" in message and "the host hung up" in message
    assert "without a network there are digits" in message
    assert not [path for path in home.iterdir() if path.name != "downloads"]


def test_data_set_of_neither_images_nor_text():
    info = SimpleNamespace(name="points", features={"x": None, "y": None})
    words = "points has no 'image', no 'text', no 'notes' and is no pair of texts, only x, y"
    with pytest.raises(UsageError, match=words):
        describe(SimpleNamespace(info=info, builder_config=None))


@pytest.mark.parametrize(
    ("features", "kind"),
    [
        ({"image": None, "text": None}, "images"),
        ({"text": None}, "text"),
        ({"notes": None}, "notes"),
        ({"en": tfds.features.Text(), "de": tfds.features.Text()}, "pairs"),
        ({"en": tfds.features.Text()}, None),
        ({"x": None, "y": None}, None),
    ],
)
def test_what_examples_hold(features, kind):
    assert sources.kind_of(features) == kind
