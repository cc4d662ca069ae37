"""Photographs of all kinds, painted: turned, transparent, huge, tiny; and styles in files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from serving.errors import GenzooError, UsageError
from serving.photographs.photograph import Photograph
from serving.photographs.restyling import (
    LONGEST_STYLE,
    SMALLEST,
    STYLE_SIDE,
    Styler,
    mixed,
)
from serving.photographs.style_file import Style, named_styles, packed

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def picture(*shape, seed=0):
    return np.random.RandomState(seed).randint(0, 256, shape).astype(np.uint8)


class Networks:
    """Networks that remember what they were given; a style is a mean colour, which is laid on."""

    def __init__(self):
        self.seen, self.painted = [], []

    def predict(self, image):
        self.seen.append(image)
        return image.mean(axis=(1, 2))

    def paint(self, image, style):
        self.painted.append(image)
        return (image + style[:, None, None]) / 2

    @property
    def styler(self):
        return Styler(self.predict, self.paint)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 4), st.integers(SMALLEST, 70))
def test_a_photograph_of_any_size_keeps_it(height, width, channels, side):
    networks = Networks()
    given = Photograph.of(picture(height, width, channels))
    painted = networks.styler.paint(given, np.float32([1, 0, 0]), side=side)
    assert painted.size == (height, width)
    assert painted.image.mode == ("RGBA" if channels in (2, 4) else "RGB")
    (seen,) = networks.painted
    assert min(seen.shape[1:3]) >= SMALLEST and max(seen.shape[1:3]) <= max(side, SMALLEST)
    if channels in (2, 4):
        alpha = np.asarray(given.image.getchannel("A"))
        np.testing.assert_array_equal(np.asarray(painted.image.getchannel("A")), alpha)
    if max(height, width) <= side and channels == 3:
        expected = (given.pixels / 255 + [1, 0, 0]) / 2 * 255
        assert np.abs(painted.pixels - expected).max() <= 0.51


@pytest.mark.parametrize("size", [(1, 1), (3, 20_000), (20_000, 3), (2000, 10), (400, 300)])
def test_the_style_of_a_picture_of_any_shape_is_found_in_little_of_it(size):
    networks = Networks()
    style = networks.styler.style(Photograph.of(np.full((*size, 3), (255, 0, 51), np.uint8)))
    np.testing.assert_allclose(style, [1, 0, 0.2], atol=1e-3)
    (seen,) = networks.seen
    sides = seen.shape[1:3]
    assert SMALLEST <= min(sides) <= STYLE_SIDE and max(sides) <= LONGEST_STYLE


def test_alpha_goes_from_the_style_of_the_photograph_to_the_one_wanted():
    styler, given = Networks().styler, Photograph.of(np.full((40, 40, 3), 100, np.uint8))
    wanted = np.float32([1, 1, 1])
    levels = [
        int(styler.paint(given, wanted, alpha=alpha).pixels[0, 0, 0]) for alpha in (0, 0.5, 1)
    ]
    assert levels == [100, 139, 178]


def test_profile_and_colours_stay_and_grey_is_painted_in_colours():
    styler = Networks().styler
    given = Photograph(Image.new("L", (40, 40), 90), SRGB)
    painted = styler.paint(given, np.float32([1, 0, 0]))
    assert painted.profile == SRGB and painted.pixels[0, 0].tolist() == [172, 45, 45]


def test_a_model_that_gives_no_numbers_is_told_of():
    styler = Styler(lambda image: image[:, 0, 0] * np.nan, lambda image, style: image)
    with pytest.raises(GenzooError, match="values that are not numbers"):
        styler.style(Photograph.of(picture(4, 4)))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 9), min_size=1, max_size=4).filter(any))
def test_a_mixture_is_a_weighted_mean(weights):
    styles = np.random.RandomState(0).normal(size=(len(weights), 5)).astype(np.float32)
    expected = (styles * np.float64(weights)[:, None]).sum(0) / sum(weights)
    np.testing.assert_allclose(mixed([*styles], weights), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weights", [[1], [1, -1], [0, 0], [1, np.nan], [1, 2, 3]])
def test_weights_that_are_none_are_refused(weights):
    with pytest.raises(UsageError, match="weights"):
        mixed([np.zeros(3), np.ones(3)], weights)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=99)
)
def test_a_style_in_a_file_is_the_style(values):
    style = Style(np.float32(values), "0123456789abcdef")
    found = Style.parse(style.text(), "it")
    np.testing.assert_array_equal(found.values, style.values)
    assert found.model == style.model


def test_a_file_of_a_style_has_some_hundred_bytes(tmp_path):
    style = Style(np.random.RandomState(0).normal(size=96).astype(np.float32), "0123456789abcdef")
    style.save(tmp_path / "my.style")
    assert (tmp_path / "my.style").stat().st_size < 600
    np.testing.assert_array_equal(Style.read(tmp_path / "my.style").values, style.values)


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "1", "null", '{"model": "x"}', '{"model": 3, "float32": "AAAAPw=="}',
        '{"model": "x", "float32": 7}', '{"model": "x", "float32": "A"}',
        '{"model": "x", "float32": ""}', '{"model": "x", "float32": "AADAfw=="}', "[" * 9999,
    ],
)  # fmt: skip
def test_a_file_that_holds_no_style_is_one_line(text, tmp_path):
    (tmp_path / "bad.style").write_text(text)
    with pytest.raises(UsageError, match=r"bad.style is no style") as raised:
        Style.read(tmp_path / "bad.style")
    assert "\n" not in str(raised.value)
    with pytest.raises(UsageError, match="cannot be read as a style: No such file"):
        Style.read(tmp_path / "none.style")


def test_styles_by_name_are_all_of_one_size():
    text = f'{{"one": "{packed(np.ones(3))}", "two": "{packed(np.zeros(3))}"}}'
    assert [*named_styles(text.encode(), 3)] == ["one", "two"]
    for wrong in (b"[]", b"{", b'{"one": 3}'):
        with pytest.raises(ValueError):
            named_styles(wrong, 3)
    with pytest.raises(ValueError, match="another number of values than 4"):
        named_styles(text.encode(), 4)
