"""Folders of images: which files count, how they are parted, what they are called."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import UsageError
from tests.zoo.data.drawing import draw, examples, photos, refusal
from zoo.data import describe, prepare
from zoo.data.files import listed, own_path
from zoo.data.folder import configure, hash_split

pytestmark = pytest.mark.usefixtures("home")


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


@pytest.mark.parametrize("image_size", [None, (4, 4)])
def test_image_that_cannot_be_read(tmp_path, home, image_size):
    root = photos(tmp_path / "photos")
    (root / "2.png").write_bytes(b"not an image")
    assert f"{root / '2.png'} cannot be read" in refusal(root, image_size=image_size)
    (root / "2.png").unlink()
    (root / "2.png").symlink_to(tmp_path / "gone.png")
    assert f"{root / '2.png'} cannot be read: No such file" in refusal(root, image_size=image_size)
    assert not home.exists() or not list(home.iterdir())


@pytest.mark.parametrize(
    "name",
    [" ", "cat ", "\u3000", "a\nb", "a\rb", "a\tb", os.fsdecode("caf\xe9".encode("latin-1"))],
)
def test_class_that_no_list_of_names_can_hold(tmp_path, home, name):
    for label in (name, "dog"):
        photos(tmp_path / "pets" / label)
    message = refusal(tmp_path / "pets")
    assert f"the class folder {name!a} of" in message and "rename it" in message
    assert not home.exists() or not list(home.iterdir())


def test_class_of_any_script_keeps_its_name(tmp_path):
    names = ["b b", "café", "日本\u3000語"]
    for label in names:
        photos(tmp_path / label)
    assert describe(prepare(str(tmp_path))).class_names == tuple(names)


def test_files_that_do_not_count(tmp_path):
    root = photos(tmp_path / "photos")
    for left_out in ("._0.png", ".ipynb_checkpoints/0.png", "a/.hidden/0.png"):
        draw(root / left_out, size=(99, 99))
    os.mkfifo(root / "pipe.png")
    (root / "old.png").mkdir()
    assert listed(root, (".png",)) == ["0.png", "1.png", "2.png", "3.png"]
    draw(root / "old.png" / "B.PNG")
    assert listed(root, (".png",))[-1] == "old.png/B.PNG"


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("folder:a", "a"),
        ("./a", "a"),
        ("../a.png", "../a.png"),
        ("/data/a", "/data/a"),
        ("a.TXT", "a.TXT"),
        ("mnist", None),
        ("cifar10_corrupted/fog_1", None),
    ],
)
def test_name_that_is_a_path(name, path):
    found = own_path(name, ".txt")
    assert found == (None if path is None else Path(path))
    assert own_path("~").is_absolute() and own_path("a.txt") is None


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
