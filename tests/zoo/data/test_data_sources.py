"""Data sets by name and from folders: really prepared, in temporary directories, offline."""

import hashlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from serving.errors import GenzooError, UsageError
from zoo.data import describe, offline_names, prepare
from zoo.data.folder import configure, hash_split

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """An empty home without a network."""

    def refuse(*args, **kwargs):
        raise AssertionError(f"a network was asked for: {args}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GENZOO_HOME", str(tmp_path / "genzoo"))
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    return tmp_path / "genzoo" / "tfds"


def draw(path, size=(8, 8), mode="L", fill=100):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, fill).save(path)
    return path


def photos(root, count=4, **how):
    for index in range(count):
        draw(root / f"{index}.png", **how)
    return root


def examples(builder, split):
    return list(builder.as_dataset(split=split).as_numpy_iterator())


def refusal(name, **how):
    """The message of the error, which must be one line."""
    with pytest.raises(GenzooError) as caught:
        prepare(str(name), **how)
    message = str(caught.value)
    assert "\n" not in message
    return message


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
    with pytest.raises(UsageError, match="points has no 'image' and no 'text', only x, y"):
        describe(SimpleNamespace(info=info, builder_config=None))


# Folders of images


def test_folder_with_classes(tmp_path):
    for label in ("dog", "cat"):
        photos(tmp_path / "pets" / label, count=10, fill=50 if label == "cat" else 200)
    builder = prepare(str(tmp_path / "pets"))
    info = describe(builder)
    assert info.name.startswith("folder/pets-") and info.image_shape == (8, 8, 1)
    assert info.class_names == ("cat", "dog")
    assert sum(info.splits.values()) == 20 and min(info.splits.values()) >= 1
    for example in examples(builder, "train") + examples(builder, "test"):
        assert (example["image"] == (50, 200)[example["label"]]).all()


def test_flat_folder(tmp_path, monkeypatch):
    photos(tmp_path / "flat")
    (tmp_path / "flat" / "notes.txt").write_text("no image")
    draw(tmp_path / "flat" / ".hidden.png", size=(99, 99))
    draw(tmp_path / "flat" / ".trash" / "0.png", size=(99, 99))
    info = describe(prepare(f"folder:{tmp_path}/flat"))
    assert info.classes == 0 and sum(info.splits.values()) == 4
    monkeypatch.chdir(tmp_path)
    assert describe(prepare("./flat")) == describe(prepare("folder:flat")) == info


def test_folder_with_splits(tmp_path):
    for split, count in (("train", 3), ("test", 2), ("validation", 1)):
        photos(tmp_path / split / "a", count=count)
    draw(tmp_path / "test" / "b" / "0.png")
    info = describe(prepare(str(tmp_path)))
    assert info.splits == {"train": 3, "test": 3, "validation": 1}
    assert info.class_names == ("a", "b")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["train/a/1.png"], "no images in test/"),
        (["test/1.png", "validation/1.png"], "no images in train/"),
        (["train/1.png", "val/1.png"], "val/1.png is not in train/"),
        (["train/1.png", "test/1.png", "2.png"], "2.png is not in train/"),
        (["train/a/1.png", "test/1.png"], "a class folder"),
        (
            ["a/1.png", "2.png"],
            "both an image with a class folder (a/1.png) and one without (2.png)",
        ),
        (["1.png"], "holds one image"),
        (["notes.txt"], "holds no images; expected files ending in .png"),
        ([], "holds no images"),
    ],
)
def test_folder_that_is_no_data_set(tmp_path, home, files, message):
    root = tmp_path / "bad"
    root.mkdir()
    for file in files:
        if file.endswith(".png"):
            draw(root / file)
        else:
            (root / file).write_text("")
    assert message in refusal(root)
    assert not home.exists() or not list(home.iterdir())


def test_class_named_train(tmp_path):
    for label in ("car", "train"):
        photos(tmp_path / label)
    assert describe(prepare(str(tmp_path))).class_names == ("car", "train")


def test_folder_that_is_not_there(tmp_path):
    photos(tmp_path / "photos")
    assert "does not exist" in refusal(tmp_path / "photoz")
    assert "did you mean 'photos'" in refusal(tmp_path / "photoz")
    assert "is a file; expected a folder" in refusal(tmp_path / "photos" / "0.png")


def test_folder_that_cannot_be_read(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    photos(tmp_path / "photos")
    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageError, match=r"photos cannot be read: Permission denied"):
        configure(tmp_path / "photos")


@pytest.mark.parametrize("image_size", [None, 4])
def test_image_that_cannot_be_read(tmp_path, home, image_size):
    root = photos(tmp_path / "photos")
    (root / "2.png").write_bytes(b"not an image")
    assert f"{root / '2.png'} cannot be read" in refusal(root, image_size=image_size)
    (root / "2.png").unlink()
    (root / "2.png").symlink_to(tmp_path / "gone.png")
    assert f"{root / '2.png'} cannot be read: No such file" in refusal(root, image_size=image_size)
    assert not home.exists() or not list(home.iterdir())


def test_truncated_image(tmp_path, home):
    root = photos(tmp_path / "photos", size=(64, 64))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    Image.fromarray(noise).save(root / "1.jpg")
    whole = (root / "1.jpg").read_bytes()
    (root / "1.jpg").write_bytes(whole[: len(whole) // 2])
    assert f"{root / '1.jpg'} cannot be read" in refusal(root)
    assert not list(home.iterdir())


def test_mixed_sizes(tmp_path):
    root = photos(tmp_path / "photos")
    draw(root / "wide.jpg", size=(40, 20))
    message = refusal(root)
    assert "0.png is 8x8 and wide.jpg is 40x20; set data.resize=true" in message
    assert describe(prepare(str(root), image_size=16)).image_shape == (16, 16, 1)


def test_crop_is_central(tmp_path):
    image = Image.new("L", (30, 10), 0)
    image.paste(255, (10, 0, 20, 10))
    image.save(tmp_path / "0.png")
    image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "1.png")
    builder = prepare(str(tmp_path), image_size=10)
    for example in examples(builder, "train") + examples(builder, "test"):
        assert (example["image"] == 255).all()


def test_one_size_needs_no_square(tmp_path):
    builder = prepare(str(photos(tmp_path / "wide", size=(12, 6))))
    assert describe(builder).image_shape == (6, 12, 1)


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "bmp", "gif", "webp", "PNG"])
def test_formats(tmp_path, suffix):
    draw(tmp_path / f"a.{suffix}", mode="RGB", fill=(200, 100, 50))
    draw(tmp_path / f"b.{suffix}", mode="RGB", fill=(200, 100, 50))
    builder = prepare(str(tmp_path))
    (example,) = examples(builder, "test")
    assert example["image"].shape == (8, 8, 3)
    assert np.abs(example["image"].astype(int) - (200, 100, 50)).max() <= 4


def test_grey_among_colour_becomes_colour(tmp_path):
    root = photos(tmp_path / "photos", fill=90)
    draw(root / "red.png", mode="RGB", fill=(255, 0, 0))
    builder = prepare(str(root))
    assert describe(builder).image_shape == (8, 8, 3)
    found = {tuple(e["image"][0, 0]) for s in ("train", "test") for e in examples(builder, s)}
    assert found == {(90, 90, 90), (255, 0, 0)}


def test_transparency_sixteen_bits_and_orientation(tmp_path):
    draw(tmp_path / "clear" / "0.png", mode="RGBA", fill=(0, 0, 0, 0))
    draw(tmp_path / "clear" / "1.png", mode="RGBA", fill=(0, 0, 0, 0))
    assert (examples(prepare(str(tmp_path / "clear")), "test")[0]["image"] == 255).all()

    (tmp_path / "deep").mkdir()
    for name in ("0.png", "1.png"):
        Image.fromarray(np.full((8, 8), 0x8034, np.uint16)).save(tmp_path / "deep" / name)
    builder = prepare(str(tmp_path / "deep"))
    assert describe(builder).image_shape == (8, 8, 1)
    assert (examples(builder, "test")[0]["image"] == 0x80).all()

    (tmp_path / "turned").mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("0.jpg", "1.jpg"):
        Image.new("L", (16, 8), 9).save(tmp_path / "turned" / name, exif=exif)
    builder = prepare(str(tmp_path / "turned"))
    assert describe(builder).image_shape == (16, 8, 1)
    assert examples(builder, "test")[0]["image"].shape == (16, 8, 1)


def test_changed_folder_is_another_data_set(tmp_path):
    root = photos(tmp_path / "photos", fill=10)
    first = prepare(str(root))
    assert prepare(str(root)).data_dir == first.data_dir
    assert prepare(str(root), image_size=4).data_dir != first.data_dir
    draw(root / "more.png", fill=20)
    second = prepare(str(root))
    assert second.data_dir != first.data_dir
    assert sum(describe(second).splits.values()) == 5
    os.utime(root / "more.png", ns=(0, 0))
    assert prepare(str(root)).data_dir != second.data_dir


names = st.lists(
    st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1), unique=True
)


@given(names.filter(lambda files: len(files) >= 2), st.randoms(use_true_random=False))
def test_hash_split_depends_on_names_alone(files, random):
    train, test = hash_split(files)
    assert sorted(train + test) == sorted(files) and train and test
    shuffled = random.sample(files, len(files))
    assert hash_split(shuffled) == (train, test)


def test_hash_split_is_nine_to_one_and_stable():
    files = [f"{index}.png" for index in range(2000)]
    train, test = hash_split(files)
    assert 0.07 < len(test) / len(files) < 0.13
    fewer_train, fewer_test = hash_split(files[:1000])
    assert set(fewer_train) <= set(train) and set(fewer_test) <= set(test)
