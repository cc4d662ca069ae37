"""`genzoo data` on folders of pictures: it finds what was planted, and cleans it away."""

import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from export.cli import joined
from serving.commands.app import run
from serving.errors import UsageError
from tests.house import ROOT
from tests.zoo.inspection.faulty import PICTURES, good, pattern, planted
from zoo.data.photographs import as_trained
from zoo.inspection import clean, inspect
from zoo.inspection.layout import Item
from zoo.inspection.looks import look_at
from zoo.inspection.report import FAULTS, KEPT


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of 1,000 pictures and the faults planted in it; tests leave it as it is."""
    root = good(tmp_path_factory.mktemp("faulty") / "photos")
    return root, planted(root)


@pytest.fixture(scope="module")
def report(folder):
    return inspect(str(folder[0]))


def tree(root):
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def genzoo(*words):
    with pytest.raises(SystemExit) as ended:
        run(joined(), [str(word) for word in words])
    return ended.value.code


def test_every_planted_fault_is_found_and_no_other(folder, report):
    _, faults = folder
    found = {name: [set(each.files) for each in held] for name, held in report.by_fault().items()}
    assert found == {name: [files] for name, files in faults.items()}
    assert len(faults) >= 12 and report.count > PICTURES


def test_facts_of_a_folder(folder, report):
    facts = report.facts
    assert facts["classes"]["bird"] == 1 and facts["classes"]["cat"] > 490
    assert facts["modes"]["CMYK"] == facts["modes"]["RGBA"] == facts["modes"]["I;16"] == 1
    assert facts["width"] == {"least": 1, "median": 48.0, "most": 300}
    root, _ = folder
    few = [np.asarray(Image.open(path)) for path in sorted((root / "dog").glob("00*1.png"))]
    pixels = np.stack(few) / 255
    assert facts["mean"] == pytest.approx(pixels.mean((0, 1, 2)).tolist(), abs=0.1)
    assert facts["spread"] == pytest.approx(pixels.std((0, 1, 2)).tolist(), abs=0.05)


def test_mean_and_spread_are_those_of_the_pixels(tmp_path):
    for index in range(6):
        pattern(index, (40, 30)).save(tmp_path / f"{index}.png")
    pixels = np.stack([np.asarray(Image.open(path)) for path in tmp_path.iterdir()]) / 255
    facts = inspect(str(tmp_path)).facts
    assert facts["mean"] == pytest.approx(pixels.mean((0, 1, 2)).tolist(), abs=1e-4)
    assert facts["spread"] == pytest.approx(pixels.std((0, 1, 2)).tolist(), abs=1e-4)


def test_a_cleaned_copy(folder, report, tmp_path):
    root, faults = folder
    before, out = tree(root), tmp_path / "clean"
    cleaned = clean(report, root, out)
    assert tree(root) == before and [path.name for path in tmp_path.iterdir()] == ["clean"]
    alone = ("empty", "no_picture", "damaged", "stray", "tiny", "blank", "two_classes")
    gone = set().union(*(faults[name] for name in alone)) | {"dog/again.png", "dog/0004.png"}
    assert set(cleaned.left_out) == gone
    after = tree(out)
    as_they_were = before.keys() - gone - cleaned.mended.keys()
    assert {name: after[name] for name in as_they_were} == {
        name: before[name] for name in as_they_were
    }
    assert len(after) == len(before) - len(gone) and cleaned.kept == len(as_they_were)
    assert cleaned.mended["cat/turned.jpg"] == "upright, now cat/turned.png"
    again = inspect(str(out))
    assert {FAULTS[name].remedy for name in again.by_fault()} == {KEPT}
    for name in ("turned", "print"):
        with Image.open(root / f"cat/{name}.jpg") as image:
            expected = np.asarray(as_trained(image).convert("RGB"))
        with Image.open(out / f"cat/{name}.png") as image:
            assert image.mode == "RGB" and not image.getexif()
            np.testing.assert_array_equal(np.asarray(image), expected)


def test_nothing_half_written_stays(tmp_path):
    root = tmp_path / "photos"
    good(root, 6)
    turned = Image.Exif()
    turned[0x0112] = 3
    pattern(99).save(root / "cat" / "turned.jpg", exif=turned)
    report = inspect(str(root))
    (root / "cat" / "turned.jpg").write_bytes(b"now it is something else")
    with pytest.raises(UsageError, match=r"turned\.jpg cannot be read"):
        clean(report, root, tmp_path / "made" / "clean")
    assert list((tmp_path / "made").iterdir()) == []


def test_the_command_prints_a_table_and_says_what_was_left_out(folder, tmp_path, capsys):
    root, faults = folder
    assert genzoo("data", root, "--clean", tmp_path / "clean") == 0
    told = capsys.readouterr().out
    for fault in faults:
        assert FAULTS[fault].title in told
    assert "left out  dog/again.png: a duplicate: the same bytes as dog/0001.png" in told
    assert f"{tmp_path / 'clean'} is whole: " in told


def test_the_command_prints_json(folder, tmp_path, capsys):
    root, faults = folder
    assert genzoo("data", root, "--json", "--clean", tmp_path / "clean") == 0
    told = json.loads(capsys.readouterr().out)
    found = {name: set(held["findings"][0]["files"]) for name, held in told["faults"].items()}
    assert found == faults and told["kind"] == "images"
    assert told["cleaned"]["left_out"] == told["left_out"]
    assert told["facts"]["formats"]["TIFF"] == 1


def encoded(kind, **how):
    file = io.BytesIO()
    image = pattern(5, (24, 24))
    (image.convert("P") if kind == "GIF" else image).save(file, kind, **how)
    return file.getvalue()


MORE = {"GIF": {"save_all": True, "append_images": [pattern(6, (24, 24)).convert("P")]}}
FORMATS = {
    kind: encoded(kind, **MORE.get(kind, {}))
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM", "TGA")
}


@settings(deadline=None, max_examples=150)
@given(data=st.data(), kind=st.sampled_from(sorted(FORMATS)))
def test_whatever_the_bytes_a_file_is_looked_at(data, kind):
    whole = FORMATS[kind]
    changes = st.dictionaries(st.integers(0, len(whole) - 1), st.integers(0, 255), max_size=6)
    made = bytearray(whole)
    for place, byte in data.draw(changes).items():
        made[place] = byte
    end = data.draw(st.integers(0, len(made)))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Path(folder, "a.png").write_bytes(made[:end])
        look = look_at(Path(folder), Item("a.png"))
    assert look.findings or kind == "PNG"
    assert (look.small is None) == (look.format == "")


def test_names_that_are_no_text(tmp_path, capsys):
    good(tmp_path / "photos", 4)
    name = os.fsdecode("caf\xe9.png".encode("latin-1"))
    pattern(70).save(tmp_path / "photos" / "cat" / name)
    page, out = tmp_path / "x.html", tmp_path / "out"
    assert genzoo("data", tmp_path / "photos", "--page", page, "--clean", out) == 0
    assert "odd name" in capsys.readouterr().out
    assert (out / "cat" / name).exists() and "caf\ufffd.png" in page.read_text("utf-8")


def test_copies_in_two_splits(tmp_path):
    for split, first in (("train", 0), ("test", 10)):
        good(tmp_path / split, 4)
        for index, path in enumerate(sorted((tmp_path / split).rglob("*.png"))):
            pattern(first + index).save(path)
    pattern(0, (96, 96)).save(tmp_path / "train" / "cat" / "larger.png")
    pattern(10).save(tmp_path / "train" / "cat" / "leak.png")
    pattern(77).save(tmp_path / "train" / "bird.png")
    (tmp_path / "train" / "bird").mkdir()
    (tmp_path / "train" / "bird.png").rename(tmp_path / "train" / "bird" / "0.png")
    report = inspect(str(tmp_path))
    (leak,) = report.by_fault()["across_splits"]
    assert leak.files == ("test/cat/0000.png", "train/cat/leak.png")
    assert leak.dropped == ("train/cat/leak.png",)  # what is tested on stays
    (near,) = report.by_fault()["near_duplicate"]
    assert near.files == ("train/cat/larger.png", "train/cat/0000.png")  # the larger one stays
    (missing,) = report.by_fault()["missing_class"]
    assert missing.words == "class bird is not in test"


def test_a_limit_takes_from_everywhere(folder):
    before = Image.MAX_IMAGE_PIXELS
    report = inspect(str(folder[0]), limit=20)
    assert report.count == 20 and min(report.facts["classes"][name] for name in ("cat", "dog")) > 7
    assert before == Image.MAX_IMAGE_PIXELS  # of the process, and put back


def test_metadata_that_are_odd(tmp_path):
    good(tmp_path, 4)
    where = Image.Exif()
    where.get_ifd(0x8825)[1] = "N"
    where.get_ifd(0x8825)[2] = (48.0, 8.0, 0.0)
    pattern(50).save(tmp_path / "cat" / "where.jpg", exif=where)
    pattern(51).save(tmp_path / "cat" / "profile.png", icc_profile=b"no profile at all" * 20)
    pattern(52).save(tmp_path / "cat" / "line\nbreak.png")
    found = inspect(str(tmp_path)).by_fault()
    assert found["whereabouts"][0].files == ("cat/where.jpg",)
    assert found["profile"][0].words.startswith("a damaged profile")
    assert found["odd_name"][0].files == ("cat/line\nbreak.png",)


def test_colours_of_16_bits_and_a_large_photograph(tmp_path):
    pattern(1, (1300, 1000)).save(tmp_path / "large.jpg", quality=90)
    pattern(2).save(tmp_path / "deep.png")
    data = bytearray((tmp_path / "deep.png").read_bytes())
    data[24] = 16  # as the header of a PNG says it; the pixels are then too few
    (tmp_path / "deep.png").write_bytes(bytes(data))
    pattern(3).save(tmp_path / "plain.png")
    report = inspect(str(tmp_path))
    assert report.facts["width"]["most"] == 1300
    assert report.by_fault().keys() == {"damaged"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["./photoz"], "there is no photoz; give a folder of files; did you mean 'photos'?"),
        (["mnnist"], "no data set is named 'mnnist'; did you mean 'mnist'?"),
        (["./other"], "other holds 1 files and none with a suffix that is known; expected .png"),
        (["./bad"], "./bad has no picture that can be read, of 1; a.png: holds text"),
        (["./other/a.xyz"], "a.xyz is a file; expected a folder, a .txt file or a data set"),
        (["./photos", "--limit", "0"], "the limit is 0; expected a whole number from 1 up"),
        (["./photos", "--page", "page.png"], "the page is 'page.png'; expected the name of a file"),
        (["./photos", "--page", "photos/x.html"], "is inside photos, which stays as it is"),
        (["./photos", "--clean", "other"], "other exists; give --clean a folder that does not"),
        (["./photos", "--clean", "photos/x"], "photos/x is inside photos, which stays as it is"),
        (["./photos", "--clean", "x", "--limit", "1"], "--clean looks at everything"),
        (["mnist", "--clean", "x"], "--clean copies a folder, and 'mnist' is a data set"),
    ],
)
def test_bad_input_is_one_clear_line(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.chdir(tmp_path)
    good(tmp_path / "photos", 4)
    for name, file in (("other", "a.xyz"), ("bad", "a.png")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("words")
    before = tree(tmp_path)
    assert genzoo("data", *words) == 2
    told = capsys.readouterr()
    assert message in told.err and told.err.count("\n") == 1 and told.out == ""
    assert tree(tmp_path) == before


def test_a_folder_of_faults_alone_is_not_cleaned_to_nothing(tmp_path, capsys):
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (20, 20)).save(tmp_path / "photos" / "black.png")
    assert genzoo("data", tmp_path / "photos", "--clean", tmp_path / "clean") == 2
    assert "nothing would be left" in capsys.readouterr().err
    assert not (tmp_path / "clean").exists()


def test_a_folder_needs_no_tensorflow(tmp_path):
    good(tmp_path / "photos", 4)
    code = (
        "import sys; from export.cli import joined; from serving.commands.app import run\n"
        "try: run(joined(), ['data', './photos', '--page', 'x.html', '--clean', 'out'])\n"
        "except SystemExit: print(*[name for name in ('tensorflow', 'keras', 'onnxruntime')\n"
        "                           if name in sys.modules], 'end')"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    shown = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert shown.stdout.splitlines()[-1].split() == ["end"], shown.stderr
