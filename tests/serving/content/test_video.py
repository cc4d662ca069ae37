"""Videos that a user hands over: what was written is read, and what is none is one line."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from serving import registry
from serving.content.video import MOST_FRAMES
from serving.errors import UsageError

CONTENT = registry.content("video")
SHAPE = (4, 6, 1)
GREY = {"image_shape": list(SHAPE)}


def videos(count=2, frames=5, seed=0, shape=SHAPE):
    random = np.random.RandomState(seed)
    return random.randint(0, 256, (count, frames, *shape)).astype(np.uint8)


def complaint(path):
    with pytest.raises(UsageError) as caught:
        CONTENT.read([path], GREY)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=8), st.integers(0, 99))
def test_a_gif_holds_every_frame_also_those_that_stay(order, seed):
    """But for a video that never moves, which is one frame."""
    few = videos(1, 4, seed)
    video = few[:, order]
    data = CONTENT.to_bytes(video, ".gif", GREY)
    assert data == CONTENT.to_bytes(video.copy(), ".gif", GREY)
    stays = np.diff(np.flatnonzero(np.diff(order, prepend=-1, append=-1)))
    kept = video if np.gcd.reduce(stays) == 1 else np.repeat(video[:, :1], 0, axis=1)
    found = CONTENT.from_bytes(data, ".gif", GREY)
    if kept.size:
        np.testing.assert_array_equal(found, video)
    else:
        assert found.shape[1] < video.shape[1]


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "folder"])
def test_several_are_read_as_they_were_written(tmp_path, name):
    written = videos(3)
    CONTENT.writer(str(tmp_path / name), 3, GREY)(written)
    np.testing.assert_array_equal(CONTENT.read([tmp_path / name], GREY), written)


def test_several_move_beside_each_other_and_a_strip_shows_their_frames(tmp_path):
    written = videos(4, 3)
    CONTENT.writer(str(tmp_path / "all.gif"), 4, GREY)(written)
    with Image.open(tmp_path / "all.gif") as image:
        assert image.size == (14, 10) and image.n_frames == 3 and image.info["loop"] == 0
    CONTENT.writer(str(tmp_path / "strip.png"), 4, GREY)(written)
    strip = np.asarray(Image.open(tmp_path / "strip.png"))
    assert strip.shape == (22, 22)
    np.testing.assert_array_equal(strip[6:10, 8:14], written[1, 1, ..., 0])
    CONTENT.write_samples(written, GREY, tmp_path / "samples")
    assert (tmp_path / "samples.gif").read_bytes() == (tmp_path / "all.gif").read_bytes()


def test_what_goes_over_a_wire_comes_back():
    written = videos(2)
    addresses = CONTENT.to_json(written, GREY)
    assert [each[:22] for each in addresses] == ["data:image/gif;base64,"] * 2
    np.testing.assert_array_equal(CONTENT.from_json(addresses, GREY), written)
    np.testing.assert_array_equal(CONTENT.from_json(written.tolist(), GREY), written)
    with pytest.raises(UsageError, match="whole numbers from 0 to 255"):
        CONTENT.from_json([[[[0.5]]]], GREY)
    assert len(CONTENT.looked_at(written, GREY)) == 10


def test_colours_are_read_in_the_colours_of_the_model(tmp_path):
    written = videos(1, 3)
    CONTENT.writer(str(tmp_path / "grey.gif"), 1, GREY)(written)
    found = CONTENT.read([tmp_path / "grey.gif"], {"image_shape": [4, 6, 3]})
    np.testing.assert_array_equal(found, np.repeat(written, 3, axis=-1))


def test_what_is_no_video_is_refused_in_one_line(tmp_path):
    path = tmp_path / "x.gif"
    assert "No such file" in complaint(path)
    for data in (b"", b"no video", CONTENT.to_bytes(videos(1), ".png", GREY)):
        path.write_bytes(data)
        assert "cannot be read as a video: it is no GIF, or is spoilt" in complaint(path)
    path.write_bytes(CONTENT.to_bytes(videos(1, shape=(6, 4, 1)), ".gif", GREY))
    assert "has 4x6 pixels; this model takes videos of 6x4" in complaint(path)
    whole = CONTENT.to_bytes(videos(1), ".gif", GREY)
    for end in range(0, len(whole) - 1, 7):  # whatever is read of it, it is a video or one line
        path.write_bytes(whole[:end])
        try:
            assert CONTENT.read([path], GREY).shape[2:] == SHAPE
        except UsageError as error:
            assert "\n" not in str(error)
    (tmp_path / "empty").mkdir()
    assert "holds no videos" in complaint(tmp_path / "empty")
    np.save(tmp_path / "x.npy", np.zeros((3, 5, 6, 4, 1), np.uint8))
    assert "expected uint8 (N, frames, 4, 6, 1)" in complaint(tmp_path / "x.npy")
    with pytest.raises(UsageError, match=r"expected a name in \.gif"):
        CONTENT.writer("video.mp4", 1, GREY)


def test_a_video_that_takes_too_much_is_refused(tmp_path):
    frames = [Image.fromarray(each[..., 0]) for each in videos(1, 2)[0]]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=[10, 60_000])
    (tmp_path / "long.gif").write_bytes(file.getvalue())
    assert f"more than {MOST_FRAMES} frames" in complaint(tmp_path / "long.gif")
    for at in range(11):  # each is of few bytes, since its frames stay
        video = np.concatenate([np.zeros((1, 999, *SHAPE)), np.ones((1, 1, *SHAPE))], axis=1)
        CONTENT.writer(str(tmp_path / "many" / f"{at}.gif"), 1, GREY)(video)
    assert "more than 10000 frames; give fewer videos" in complaint(tmp_path / "many")


def test_videos_of_other_lengths_are_not_put_together(tmp_path):
    for name, frames in (("a.gif", 3), ("b.gif", 4)):
        CONTENT.writer(str(tmp_path / name), 1, GREY)(videos(1, frames))
    with pytest.raises(UsageError, match="have 3 to 4 frames; give videos of as many"):
        CONTENT.read([tmp_path], GREY)
