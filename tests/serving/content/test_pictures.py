import numpy as np
import pytest
from PIL import Image

from serving.content import pictures


def test_grid_keeps_every_image_in_its_cell():
    images = np.random.default_rng(0).integers(0, 255, (5, 4, 6, 3)).astype(np.uint8)
    sheet = pictures.grid(images, columns=3)
    assert sheet.shape == (2 * 4 + 2, 3 * 6 + 2 * 2, 3)
    for index, image in enumerate(images):
        top, left = index // 3 * 6, index % 3 * 8
        np.testing.assert_array_equal(sheet[top : top + 4, left : left + 6], image)
    assert (sheet[6:, 16:] == 255).all()


def test_pixels_are_rounded_and_clipped():
    assert pictures.to_uint8(np.array([-1, 0, 0.499 / 255, 0.501 / 255, 1, 2])).tolist() == [
        0, 0, 0, 1, 255, 255,
    ]  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
def test_saved_picture_reads_back(tmp_path, channels):
    image = np.random.default_rng(0).integers(0, 255, (9, 7, channels)).astype(np.uint8)
    path = pictures.save(image, tmp_path / "new" / "picture.png")
    np.testing.assert_array_equal(np.asarray(Image.open(path)).reshape(image.shape), image)


def test_failed_save_leaves_what_was_there(tmp_path):
    path = pictures.save(np.zeros((2, 2, 1), np.uint8), tmp_path / "picture.png")
    before = path.read_bytes()
    with pytest.raises(TypeError):
        pictures.save(np.zeros((2, 2, 5, 1), np.complex64), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
