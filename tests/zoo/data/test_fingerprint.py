"""What data are is what is in them, wherever they lie; and nothing is read twice without need."""

import os
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds

from serving.errors import UsageError
from tests.zoo.data.drawing import draw, photos
from zoo.data import corpus, describe, fingerprint, prepare, store
from zoo.data.files import listed


def of_folder(root):
    return fingerprint.of_files(root, listed(root, (".png",)))


@pytest.fixture
def reads(home, monkeypatch):
    """The files that are read for their digests; all of them count as long unchanged."""
    found, original = [], fingerprint._sha256
    monkeypatch.setattr(fingerprint, "SETTLED_NS", 0)
    monkeypatch.setattr(
        fingerprint, "_sha256", lambda path: found.append(path.name) or original(path)
    )
    return found


# Folders of images


def test_the_same_photographs_in_another_place_at_another_time_are_the_same(home, tmp_path):
    root = photos(tmp_path / "photos", fill=10)
    first = prepare(str(root))
    for file in root.iterdir():
        os.utime(file, ns=(0, 0))
    moved = shutil.copytree(root, tmp_path / "elsewhere" / "photos")
    assert prepare(str(root)).data_dir == prepare(str(moved)).data_dir == first.data_dir
    renamed = root.rename(tmp_path / "pictures")
    assert describe(prepare(str(renamed))).fingerprint == describe(first).fingerprint
    assert describe(prepare(str(renamed), image_size=(4, 6))).fingerprint == of_folder(renamed)
    assert prepare(str(renamed), image_size=(4, 6)).data_dir != prepare(str(renamed)).data_dir


def test_other_photographs_under_the_same_names_are_others(home, tmp_path):
    root = photos(tmp_path / "photos", fill=10)
    before, state = describe(prepare(str(root))), (root / "0.png").stat()
    draw(root / "0.png", fill=11)
    os.utime(root / "0.png", ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (root / "0.png").stat().st_size == state.st_size
    assert describe(prepare(str(root))).fingerprint != before.fingerprint
    draw(root / "0.png", fill=10)
    assert describe(prepare(str(root))).fingerprint == before.fingerprint
    (root / "0.png").rename(root / "9.png")  # which part and class an image is in goes by its path
    assert describe(prepare(str(root))).fingerprint != before.fingerprint


def test_no_file_is_read_twice_until_it_changes(reads, tmp_path):
    root = photos(tmp_path / "photos", count=3)
    first = of_folder(root)
    assert sorted(reads) == ["0.png", "1.png", "2.png"]
    assert of_folder(root) == first and len(reads) == 3
    os.utime(root / "1.png")
    assert of_folder(root) == first and reads[3:] == ["1.png"]
    draw(root / "3.png")
    assert of_folder(root) != first and reads[4:] == ["3.png"]


def test_a_file_that_changed_a_moment_ago_is_read_again(reads, tmp_path, monkeypatch):
    """It may change once more within the same tick of the clock."""
    monkeypatch.setattr(fingerprint, "SETTLED_NS", 10**12)
    root = photos(tmp_path / "photos", count=2)
    assert of_folder(root) == of_folder(root)
    assert len(reads) == 4


@pytest.mark.parametrize("content", ["", "[]", "[1", '{"0.png": 3, "1.png": [[], 1]}'])
def test_a_damaged_memory_is_not_believed(reads, home, tmp_path, content):
    root = photos(tmp_path / "photos", count=2)
    first = of_folder(root)
    (memory,) = (home / "fingerprints").iterdir()
    memory.write_text(content)
    assert of_folder(root) == first and len(reads) == 4


def test_where_nothing_can_be_written_everything_is_read(reads, tmp_path, monkeypatch):
    root = photos(tmp_path / "photos", count=2)
    first = of_folder(root)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENZOO_HOME", str(tmp_path / "file"))
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert of_folder(root) == first and len(reads) == 4


# Data sets of TensorFlow Datasets


class Grey(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Images and words about them, in a form that says how they lie on disk."""

    VERSION = tfds.core.Version("1.0.0")
    image = tfds.features.Image(shape=(None, None, 1), encoding_format="png")
    rows = (1, 2, 3)

    def _info(self):
        features = {"image": self.image, "words": tfds.features.Sequence(tfds.features.Text())}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for rows in self.rows:
            yield rows, {"image": np.full((rows, 2, 1), 7, np.uint8), "words": ["a"] * rows}


class Raw(Grey, skip_registration=True):
    image = tfds.features.Tensor(shape=(None, 2, 1), dtype=np.uint8)


class Fewer(Grey, skip_registration=True):
    rows = (1, 2)


class Other(Grey, skip_registration=True):
    rows = (1, 2, 4)


def made(kind, place):
    return store.make(lambda at: kind(data_dir=at), place, "grey")


def test_what_is_in_a_data_set_counts_and_not_how_it_lies_on_disk(home, tmp_path):
    for place in "abc":
        (tmp_path / place).mkdir()
    found = [
        fingerprint.of_examples(made(kind, tmp_path / place))
        for kind, place in ((Grey, "a"), (Grey, "b"), (Raw, "a"), (Fewer, "a"), (Other, "a"))
    ]
    assert found[0] == found[1] == found[2]
    assert len(set(found)) == 3


def test_a_data_set_is_gone_through_once(reads, monkeypatch):
    first = describe(prepare("digits"))
    monkeypatch.setattr(fingerprint, "_parts", lambda examples: pytest.fail("read again"))
    assert describe(prepare("digits")) == first
    assert len(first.fingerprint) == 64


# Text


def test_text_is_what_is_written_whatever_the_file_is_called(tmp_path):
    def written(name, *contents):
        (tmp_path / name).mkdir()
        for index, content in enumerate(contents):
            (tmp_path / name / f"{name}{index}.txt").write_bytes(content)
        return corpus.read(str(tmp_path / name))[1].fingerprint

    first = written("a", b"to be\n", b"or not")
    assert written("b", b"\xef\xbb\xbfto be\r\n", "or not".encode("utf-16")) == first
    assert written("c", b"or not", b"to be\n") != first
    assert written("d", b"to be\nor", b" not") != first


# What a run says of its data


def test_a_run_is_of_its_data(home, tmp_path):
    source = describe(prepare("digits"))
    record = source.record()
    source.check(record, "runs/a")
    source.check({**record, "dataset": "another name", "dataset_version": "9"}, "runs/a")
    source.check({}, "runs/of-before")
    other = {**record, "dataset_sha256": "0" * 64}
    with pytest.raises(
        UsageError, match=r"data of runs/a were digits \(sha256 0{12}\) and are now"
    ):
        source.check(other, "runs/a")
