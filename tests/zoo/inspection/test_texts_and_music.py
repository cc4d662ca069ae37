"""`genzoo data` on texts, on music, and on data sets of TensorFlow Datasets."""

import shutil

import numpy as np
import pytest

from serving.music import midi
from serving.music.piece import Piece
from tests.zoo.inspection.test_folders_of_pictures import genzoo, tree
from zoo.inspection import clean, inspect


def lines(number, count=20):
    return "".join(f"This is line {at} of the text number {number}.\n" for at in range(count))


@pytest.fixture
def texts(tmp_path):
    root = tmp_path / "texts"
    for split, numbers in (("train", range(8)), ("test", range(8, 12))):
        (root / split).mkdir(parents=True)
        for number in numbers:
            (root / split / f"{number}.txt").write_text(lines(number))
    train = root / "train"
    (root / "test" / "leak.txt").write_text(lines(0).upper())
    (train / "near.txt").write_text(lines(1, 18) + "And an end that is all its own.\n")
    (train / "latin.txt").write_bytes("café crème".encode("latin-1"))
    (train / "wide.txt").write_bytes("Grüße aus Köln".encode("utf-16"))
    (train / "empty.txt").touch()
    (train / "blank.txt").write_text(" \n\n")
    (train / "odd.txt").write_text("bell \x07, error \ufffd, none \u200b, cafÃ\u00a9")
    (train / "again.txt").write_text("This is a line that comes again and again.\n" * 30)
    (train / "book.pdf").write_bytes(b"%PDF")
    return root


def test_faults_of_texts(texts):
    found = inspect(str(texts)).by_fault()
    files = {name: {file for each in held for file in each.files} for name, held in found.items()}
    assert files == {
        "empty": {"train/empty.txt"},
        "stray": {"train/book.pdf"},
        "no_text": {"train/blank.txt"},
        "encoding": {"train/latin.txt"},
        "across_splits": {"test/leak.txt", "train/0.txt"},
        "near_duplicate": {"train/1.txt", "train/near.txt"},
        "odd_characters": {"train/odd.txt"},
        "repeated_lines": {"train/again.txt"},
    }
    assert len(found["odd_characters"]) == 4
    assert "0xe9 at position 3" in found["encoding"][0].words


def test_facts_and_a_cleaned_copy_of_texts(texts, tmp_path):
    report = inspect(str(texts))
    assert report.facts["encodings"] == {"UTF-8": 16, "UTF-16": 1}
    assert report.facts["lines_in_train_too"] == {"test": 0.2}  # of five texts the one that leaks
    before = tree(texts)
    cleaned = clean(report, texts, tmp_path / "clean")
    gone = {"book.pdf", "empty.txt", "blank.txt", "latin.txt", "near.txt", "0.txt"}
    assert set(cleaned.left_out) == {f"train/{name}" for name in gone}
    assert tree(texts) == before and cleaned.mended == {}
    assert tree(tmp_path / "clean") == {
        name: digest for name, digest in before.items() if name not in cleaned.left_out
    }


def test_a_long_line_in_common_is_no_copy(tmp_path):
    for number in range(3):
        words = "".join(f"{number} {at}\n" for at in range(6))
        (tmp_path / f"{number}.txt").write_text(
            "All of them say this at their beginning.\n" + words
        )
    assert inspect(str(tmp_path)).findings == ()


def test_one_text_file(tmp_path, capsys):
    book = tmp_path / "book.txt"
    book.write_text("It was a dark and stormy night.\n" * 3)
    report = inspect(str(book))
    assert report.facts["characters"] == 96 and report.facts["repeated_lines"] == 0.6667
    assert genzoo("data", book, "--clean", tmp_path / "out") == 2
    assert "--clean copies a folder" in capsys.readouterr().err


@pytest.fixture
def songs(tmp_path):
    root = tmp_path / "songs"
    root.mkdir()
    generator = np.random.default_rng(0)
    for index in range(4):
        notes = np.sort(generator.integers(50, 70, (16, 4)), axis=1)[:, ::-1].repeat(4, axis=0)
        midi.save(Piece(notes, tempo=60 + index), root / f"{index}.mid")
    midi.save(Piece(notes + 2), root / "higher.mid")
    shutil.copy(root / "0.mid", root / "copy.mid")
    (root / "cut.mid").write_bytes((root / "1.mid").read_bytes()[:150])
    (root / "words.mid").write_text("words")
    return root


def test_faults_of_music(songs, tmp_path, capsys):
    report = inspect(str(songs))
    found = {name: [each.files for each in held] for name, held in report.by_fault().items()}
    assert found == {
        "refused": [("cut.mid",), ("words.mid",)],
        "duplicate": [("0.mid", "copy.mid")],
        "near_duplicate": [("3.mid", "higher.mid")],
    }
    assert report.facts["bars"] == {"least": 4.0, "median": 4.0, "most": 4.0}
    assert report.facts["tempo"]["least"] == 60 and report.facts["range_of_bass"]["lowest"] == 50
    assert genzoo("data", songs, "--clean", tmp_path / "clean") == 0
    assert "cut.mid: refused music: is cut off; expected a whole" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "clean").iterdir()) == [
        f"{index}.mid" for index in range(4)
    ]


def test_a_data_set_of_tensorflow_datasets(tmp_path, capsys):
    page = tmp_path / "digits.html"
    assert genzoo("data", "digits", "--limit", "50", "--page", page) == 0
    told = capsys.readouterr().out
    assert "digits: images, 100 pictures" in told and "sizes    8x8 100" in told
    assert page.read_text().count("<img ") >= 60


def test_a_data_set_of_text():
    report = inspect("python_topics", limit=1)
    assert report.kind == "text" and report.facts["words"] > 1000
