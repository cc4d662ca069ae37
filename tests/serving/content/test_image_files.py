"""Images on disk: whole or absent, and where the user said."""

import io
import os
import threading

import numpy as np
import pytest
from PIL import Image

from serving.content.image_files import GRID_LIMIT, writer
from serving.errors import UsageError

IMAGES = np.random.RandomState(0).randint(0, 256, (5, 4, 6, 1), np.uint8)
COLOUR = np.random.RandomState(0).randint(0, 256, (5, 4, 6, 3), np.uint8)


def write(images, out):
    writer(out, len(images), images.shape[-1])(images)


@pytest.mark.parametrize("images", [IMAGES, COLOUR])
def test_grid(tmp_path, images):
    write(images, tmp_path / "grid.PNG")
    picture = np.asarray(Image.open(tmp_path / "grid.PNG")).reshape(10, 22, -1)
    np.testing.assert_array_equal(picture[:4, :6], images[0])
    np.testing.assert_array_equal(picture[6:, 8:14], images[4])


def test_arrays(tmp_path):
    write(IMAGES, tmp_path / "a" / "x.npy")
    write(IMAGES, tmp_path / "a" / "x.npz")
    np.testing.assert_array_equal(np.load(tmp_path / "a" / "x.npy"), IMAGES)
    np.testing.assert_array_equal(np.load(tmp_path / "a" / "x.npz")["images"], IMAGES)
    assert len(list((tmp_path / "a").iterdir())) == 2


@pytest.mark.parametrize("name", ["new/folder", "existing", "with.dots"])
def test_folder(tmp_path, name):
    if name != "new/folder":
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.txt").write_text("kept")
    write(COLOUR, tmp_path / name)
    pngs = sorted((tmp_path / name).glob("*.png"))
    assert [path.name for path in pngs] == [f"0000{i}.png" for i in range(5)]
    np.testing.assert_array_equal(np.asarray(Image.open(pngs[3])), COLOUR[3])
    assert not list((tmp_path / name).glob(".*"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs")
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("plain", lambda data: np.asarray(Image.open(data))[:4, :6]),
        ("x.png", lambda data: np.asarray(Image.open(data))[:4, :6]),
        ("x.npy", lambda data: np.load(data)[0, ..., 0]),
        ("x.npz", lambda data: np.load(data)["images"][0, ..., 0]),
    ],
)
def test_a_fifo_takes_every_format(tmp_path, name, read):
    received = []
    os.mkfifo(tmp_path / name)
    reader = threading.Thread(
        target=lambda: received.append((tmp_path / name).read_bytes()), daemon=True
    )
    reader.start()
    write(IMAGES, tmp_path / name)
    reader.join(timeout=10)
    np.testing.assert_array_equal(read(io.BytesIO(received[0])), IMAGES[0, ..., 0])


@pytest.mark.parametrize("name", ["x.png", "x.npy", "x.npz"])
def test_a_link_may_name_a_file_with_another_suffix(tmp_path, name):
    (tmp_path / name).symlink_to(tmp_path / "blob")
    write(IMAGES, tmp_path / name)
    write(IMAGES, tmp_path / f"other{name}")
    assert (tmp_path / "blob").stat().st_size == (tmp_path / f"other{name}").stat().st_size
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("name", ["x.png", "x.npy", "x.npz", "x"])
def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch, name):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    monkeypatch.setattr(np, "save", full)
    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space left"):
        write(IMAGES, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_what_was_there(tmp_path, monkeypatch):
    (tmp_path / "x.png").write_text("older")
    monkeypatch.setattr(Image.Image, "save", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(IMAGES, tmp_path / "x.png")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["older"]


@pytest.mark.parametrize(
    ("out", "count", "channels", "words"),
    [
        ("x.jpg", 1, 1, "expected a name in .png, .npy or .npz, or a folder"),
        ("x.png", 1, 2, "images of 2 channels"),
        ("x.png", GRID_LIMIT + 1, 1, "too many for one picture"),
    ],
)
def test_what_cannot_be_written_is_said_beforehand(out, count, channels, words):
    with pytest.raises(UsageError) as caught:
        writer(out, count, channels)
    assert words in str(caught.value)
