"""Images that a user hands over: what was written is read, and what is none is one line."""

import contextlib
import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from serving import registry
from serving.content import pictures
from serving.content.image_files import writer
from serving.errors import UsageError

CONTENT = registry.content("image")
SHAPE = (4, 6, 1)
GREY = {"image_shape": list(SHAPE)}
COLOUR = {"image_shape": [4, 6, 3]}


def images(processing, count=5):
    shape = (count, *processing["image_shape"])
    return np.random.RandomState(0).randint(0, 255, shape, np.uint8)  # none of them white


def complaint(path, processing=GREY):
    with pytest.raises(UsageError) as caught:
        CONTENT.read([path], processing)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("processing", [GREY, COLOUR])
@pytest.mark.parametrize("name", ["sheet.png", "a.npy", "a.npz", "folder"])
def test_what_was_written_is_read(tmp_path, processing, name):
    written = images(processing)
    writer(tmp_path / name, len(written), written.shape[-1])(written)
    np.testing.assert_array_equal(CONTENT.read([tmp_path / name], processing), written)


@pytest.mark.parametrize("name", ["rows.png", "rows.npy", "rows.npz", "rows"])
def test_rows_of_images_are_read_one_after_the_other(tmp_path, name):
    rows = images(GREY, 6).reshape(2, 3, *SHAPE)
    writer(tmp_path / name, 2, 1)(rows)
    np.testing.assert_array_equal(CONTENT.read([tmp_path / name], GREY), rows.reshape(6, *SHAPE))


@settings(deadline=None)
@given(st.integers(1, 17), st.sampled_from([GREY, COLOUR]))
def test_a_sheet_of_any_number(tmp_path_factory, count, processing):
    path = tmp_path_factory.getbasetemp() / "sheet.png"
    written = images(processing, count)
    pictures.save(CONTENT.picture(written, processing | {"classes": 3}), path)
    np.testing.assert_array_equal(CONTENT.read([path], processing), written)


def test_pictures_of_one_image_each_and_several_paths(tmp_path):
    written = images(COLOUR, 3)
    paths = [tmp_path / f"{index}.png" for index in range(3)]
    for path, image in zip(paths, written, strict=True):
        Image.fromarray(image).save(path)
    np.testing.assert_array_equal(CONTENT.read(paths, COLOUR), written)
    np.save(tmp_path / "one.npy", written[0])
    np.testing.assert_array_equal(CONTENT.read([tmp_path / "one.npy"], COLOUR), written[:1])
    grey = CONTENT.read([paths[0]], GREY)
    wanted = np.asarray(Image.open(paths[0]).convert("L"))[None, ..., None]
    np.testing.assert_array_equal(grey, wanted)


def test_white_images_at_the_end_of_a_sheet_are_no_images(tmp_path):
    white = np.full((4, *SHAPE), 255, np.uint8)
    writer(tmp_path / "white.png", 4, 1)(white)
    np.testing.assert_array_equal(CONTENT.read([tmp_path / "white.png"], GREY), white[:1])


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.float32, np.int64, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6),
    )
)
def test_any_array_is_images_or_refused(tmp_path_factory, array):
    path = tmp_path_factory.getbasetemp() / "any.npy"
    np.save(path, array)
    if array.dtype == np.uint8 and array.shape[-3:] == SHAPE and array.size:
        assert CONTENT.read([path], GREY).shape == (array.size // 24, *SHAPE)
    else:
        assert f"holds {array.dtype} {array.shape}; expected uint8" in complaint(path)


def _zip(**members):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return data.getvalue()


def _png(size, mode="L"):
    data = io.BytesIO()
    Image.new(mode, size).save(data, "png")
    return data.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("x.png", b"no picture", "cannot be read as a picture: cannot identify image file"),
        ("x.png", b"", "cannot be read as a picture"),
        ("x.png", _png((6, 4))[:-20], "cannot be read as a picture"),
        ("x.png", _png((5, 4)), "has 5x4 pixels; this model takes pictures of 6x4, or a sheet"),
        ("x.png", _png((14, 11)), "has 14x11 pixels"),
        ("x.png", _png((2, 2)), "has 2x2 pixels"),
        ("x.txt", b"images", "cannot be read as a picture"),
        ("x.npy", b"no array", "cannot be read as an array"),
        ("x.npy", b"", "cannot be read as an array"),
        ("x.npz", b"PK\x03\x04no archive", "cannot be read as an array"),
        ("x.npz", _zip(), "cannot be read as an array: it is empty"),
        ("x.npz", _zip(a=b"no array"), "expected uint8 (N, 4, 6, 1)"),
        ("x.npz", _zip(a=b"x" * 99)[:-30], "cannot be read as an array"),
    ],
)
def test_a_file_that_holds_no_images(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    assert words in complaint(tmp_path / name)


def test_nothing_there(tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no images are given" in complaint(tmp_path / "empty")
    for name in ("x.png", "x.npy", "x.npz", "x"):
        assert f"{name} cannot be read as" in complaint(tmp_path / name)
    with pytest.raises(UsageError, match="no images are given"):
        CONTENT.read([], GREY)


def test_pictures_are_grey_or_in_colour(tmp_path):
    deep = {"image_shape": [4, 6, 2]}
    (tmp_path / "x.png").write_bytes(_png((6, 4)))
    assert "takes images of 2 channels; give" in complaint(tmp_path / "x.png", deep)
    np.save(tmp_path / "x.npy", images(deep))
    np.testing.assert_array_equal(CONTENT.read([tmp_path / "x.npy"], deep), images(deep))


def test_comparing_and_counting():
    one = images(GREY)
    assert CONTENT.compare(one, one).is_rounding and CONTENT.compare(one, one ^ 1).is_rounding
    assert CONTENT.compare(one, one ^ 2) == ("within 2 of 255 levels of Keras", False)
    assert (CONTENT.count(one), CONTENT.amount(1), CONTENT.amount(5)) == (5, "1 image", "5 images")
    assert CONTENT.default_out("tiny") == "tiny.png" and CONTENT.words(one, GREY) is None


def test_samples_are_a_picture(tmp_path):
    CONTENT.write_samples(images(GREY, 6), GREY | {"classes": 3}, tmp_path / "samples")
    assert [path.name for path in tmp_path.iterdir()] == ["samples.png"]
    assert Image.open(tmp_path / "samples.png").size == (3 * 8 - 2, 2 * 6 - 2)


@pytest.mark.parametrize("suffix", ["png", "jpeg", "bmp", "gif", "webp"])
def test_a_picture_that_ends_too_soon_is_refused_wherever_it_does(tmp_path, suffix):
    data, path = io.BytesIO(), tmp_path / f"x.{suffix}"
    Image.fromarray(images(GREY, 1)[0, ..., 0]).save(data, suffix)
    for end in range(len(data.getvalue()) - 2):
        path.write_bytes(data.getvalue()[:end])
        with contextlib.suppress(UsageError):
            CONTENT.read([path], GREY)
    path.write_bytes(data.getvalue()[: end // 2])
    assert "cannot be read as a picture" in complaint(path)
