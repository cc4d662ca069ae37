"""Scenes: the same for the same seed, as the caption says, and some never trained on."""

from functools import cache
from itertools import combinations as pairs_of

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import UsageError
from serving.scenes.grammar import COLOURS, DIGITS
from serving.scenes.scene import SIZES
from zoo.data import sources
from zoo.data.images import Images, ImagesConfig
from zoo.data.scenes.arrangement import GAP, SLOTS, UNIFORMS, Things, arrange
from zoo.data.scenes.combinations import HELD_OUT, Combinations, is_held_out
from zoo.data.scenes.combinations import UNIFORMS as WHICH
from zoo.data.scenes.config import EMOJI, ScenesConfig
from zoo.data.scenes.drawing import Digits, Painter
from zoo.data.scenes.scenes import PARTS, Scenes

OFFLINE = {"digits": "digits", "emoji": ()}


@cache
def made(seed=0):
    return Scenes(ScenesConfig(**OFFLINE, seed=seed))


def squares(things, scene, config):
    """Each thing of a scene: its group, and the corners of its square."""
    for slot in np.flatnonzero(things.kind[scene] >= 0):
        side = config.pixels[SIZES[things.size[scene, slot]]]
        top, left = int(things.top[scene, slot]), int(things.left[scene, slot])
        yield int(slot >= SLOTS // 2), (top, left, top + side, left + side)


def gap(one, other):
    """Pixels between two squares, negative where one lies over the other."""
    return max(other[0] - one[2], one[0] - other[2], other[1] - one[3], one[1] - other[3])


@settings(deadline=None, max_examples=20)
@given(
    st.integers(0, 2**32 - 1),
    st.booleans(),
    st.sampled_from([64, 96, 256]),
    st.sampled_from([1, 8, 32]),
)
def test_things_lie_as_the_caption_says_and_none_over_another(seed, held_out, size, grid):
    config = ScenesConfig(size=size, grid=grid)
    combinations, random = Combinations(config.grammar), np.random.RandomState(seed)
    drawn = combinations.draw(random.random_sample((30, WHICH)), held_out)
    things = arrange(config, combinations, drawn, random.random_sample((30, UNIFORMS)))
    for index in range(30):
        scene = combinations.scene(drawn, index)
        placed = list(squares(things, index, config))
        owned = [[corners for group, corners in placed if group == each] for each in (0, 1)]
        assert [len(each) for each in owned if each] == [group.count for group in scene.groups]
        every = [corners for _, corners in placed]
        assert np.min(every) >= GAP and np.max(every) <= size - GAP
        assert all(gap(one, other) >= GAP for one, other in pairs_of(every, 2))
        if scene.place:
            first, second = map(np.array, owned)
            before, behind = (
                (first, second) if scene.place in ("above", "left") else (second, first)
            )
            axis = 0 if scene.place in ("above", "below") else 1
            assert before[:, axis + 2].max() <= behind[:, axis].min()


def test_a_grid_leaves_few_ways_to_cut_a_thing_and_all_else_as_it_was():
    free, held = made(), Scenes(ScenesConfig(**OFFLINE, grid=8))
    one, other = free.read("test", 0, 200), held.read("test", 0, 200)
    assert one.caption == other.caption
    np.testing.assert_array_equal(one.things.kind, other.things.kind)
    there = one.things.kind >= 0
    ways = [
        len({*zip(found.top[there] % 8, found.left[there] % 8, strict=True)})
        for found in (one.things, other.things)
    ]
    assert ways[0] == 64 and ways[1] <= 12
    assert free.source.fingerprint != held.source.fingerprint


def test_what_is_painted_is_within_the_squares_and_fills_them():
    scenes = made()
    found = scenes.read("train", 0, 100)
    inked = (found.image < 250).any(axis=3)
    for index in range(100):
        outside = inked[index].copy()
        for _, (top, left, bottom, right) in squares(found.things, index, scenes.config):
            own = inked[index, top:bottom, left:right]
            rows, columns = own.any(axis=1).sum(), own.any(axis=0).sum()
            assert max(rows, columns) >= bottom - top - 2
            outside[top:bottom, left:right] = False
        assert not outside.any()


def test_the_same_seed_gives_the_same_bytes_wherever_one_begins():
    scenes = made()
    whole, part = scenes.read("train", 0, 30), scenes.read("train", 7, 19)
    np.testing.assert_array_equal(part.image, whole.image[7:19])
    assert part.caption == whole.caption[7:19] and part.scene == whole.scene[7:19]
    again = Scenes(ScenesConfig(**OFFLINE, count=12)).read("train")
    np.testing.assert_array_equal(again.image, whole.image[:12])
    assert made(seed=1).read("train", 0, 30).caption != whole.caption
    assert scenes.read("validation", 0, 30).caption != whole.caption
    assert len(scenes.read("train", 5, 5).caption) == 0


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**63 - 1))
def test_held_out_groups_never_occur_in_training(seed):
    combinations = Combinations(ScenesConfig().grammar)
    random = np.random.RandomState(seed % 2**32).random_sample((4000, WHICH))
    trained, tested = (combinations.draw(random, held_out=each) for each in (False, True))
    held = combinations.held_out
    paired = trained.second >= 0
    assert not held[trained.first].any() and not held[trained.second[paired]].any()
    paired = tested.second >= 0
    assert (held[tested.first] | (paired & held[tested.second])).all()
    for drawn in (trained, tested):
        paired = drawn.second >= 0
        kinds = combinations.kind[drawn.first], combinations.kind[drawn.second]
        assert (kinds[0] != kinds[1])[paired].all()
        assert 0.7 < paired.mean() < 0.8


def test_numbers_at_their_ends_are_scenes_too():
    combinations = Combinations(ScenesConfig().grammar)
    ends = np.array([0.0, np.nextafter(1, 0)])
    random = np.stack(np.meshgrid(*[ends] * WHICH), axis=-1).reshape(-1, WHICH)
    for held_out in (False, True):
        drawn = combinations.draw(random, held_out)
        for index in range(len(random)):
            scene = combinations.scene(drawn, index)
            assert is_held_out(combinations.grammar, scene) == held_out


def test_crowded_scenes_have_more_things_to_train_on_and_no_others():
    usual, crowded = made(), Scenes(ScenesConfig(**OFFLINE, crowded=True))
    counts = [np.mean(each.read("train", 0, 500).things.kind >= 0) for each in (usual, crowded)]
    assert counts[1] > 1.4 * counts[0]
    assert crowded.read("test", 0, 20).caption == usual.read("test", 0, 20).caption
    held = [is_held_out(usual.grammar, each) for each in crowded.read("train", 0, 200).scene]
    assert not any(held)


def test_some_of_everything_is_held_out_and_captions_tell_it():
    scenes = made()
    held = Combinations(ScenesConfig().grammar).held_out
    assert 0.5 * HELD_OUT < held.mean() < 1.6 * HELD_OUT
    for part in PARTS:
        found = scenes.read(part, 0, 200)
        assert [scenes.grammar.parse(caption) for caption in found.caption] == found.scene
        out = [is_held_out(scenes.grammar, scene) for scene in found.scene]
        assert all(out) if part == "test" else not any(out)
    every = scenes.read("train", 0, 4000).scene
    assert {group.thing for scene in every for group in scene.groups} == {*DIGITS}
    assert {group.colour for scene in every for group in scene.groups} == {*COLOURS}
    assert {scene.place for scene in every} == {None, "above", "below", "left", "right"}


def test_no_part_shows_the_digits_of_another():
    """Small black digits are looked up among all that each part can show."""
    builder = sources.prepare("digits")
    pools = {}
    for split in ("train", "test"):
        (batch,) = builder.as_dataset(split=split).batch(2000).as_numpy_iterator()
        pools[split] = batch["image"][..., 0], batch["label"]
    test = pools.pop("test")
    pools |= {"validation": (test[0][0::2], test[1][0::2]), "test": (test[0][1::2], test[1][1::2])}
    scenes = made()
    side = scenes.config.pixels["small"]
    known = {}
    for part, pool in pools.items():
        ink = Digits(*pool).ink(np.arange(len(pool[1])), side)
        known[part] = {each.tobytes() for each in np.rint(255 - 255 * ink).astype(np.uint8)}
    for part in PARTS:
        found, seen = scenes.read(part, 0, 400), 0
        for index, scene in enumerate(found.scene):
            for group, (top, left, bottom, right) in squares(found.things, index, scenes.config):
                if (scene.groups[group].size, scene.groups[group].colour) == ("small", "black"):
                    shown = found.image[index, top:bottom, left:right, 0].tobytes()
                    assert [each for each in PARTS if shown in known[each]] == [part]
                    seen += 1
        assert seen > 10


def test_emoji_are_painted_in_their_own_colours():
    config = ScenesConfig(digits="digits", emoji=("sun", "heart"))
    digits = Digits(np.full((10, 8, 8), 255, np.uint8), np.arange(10))
    picture = np.full((2, 72, 72, 3), 255, np.uint8)
    picture[0, 10:50, 20:40] = (250, 200, 0)
    picture[1, 30:40, 5:65] = (200, 0, 0)
    painter = Painter(config, digits, picture)
    things = np.full((4, 1, SLOTS), -1, np.int16)
    things[:, 0, 0] = config.grammar.kinds.index(("heart", None)), SIZES.index("large"), 3, 5
    things[:, 0, 3] = config.grammar.kinds.index(("two", "blue")), SIZES.index("small"), 40, 30
    (image,) = painter.paint(Things(*things), np.zeros((1, SLOTS)))
    np.testing.assert_array_equal(image[17, 5:33], np.tile([200, 0, 0], (28, 1)))
    assert (image[3:10, 5:33] == 255).all()
    assert (image[40:54, 30:44] == (30, 80, 230)).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"emoji": ["dragon"]}, "'dragon' is none of them; expected emoji of sun, moon"),
        ({"emoji": ["sun", "sun"]}, "one of them is named twice"),
        ({"size": 32}, "key 'size' is 32"),
        ({"count": 0}, "key 'count' is 0"),
        ({"cuont": 3}, "did you mean 'count'"),
        ({"name": "scene"}, "key 'name' is 'scene'"),
    ],
)
def test_a_bad_configuration_is_named(values, message):
    with pytest.raises(UsageError, match=message) as caught:
        ScenesConfig.parse(values, "data")
    assert "\n" not in str(caught.value)


def test_what_is_no_set_of_digits_is_refused():
    with pytest.raises(UsageError, match="'python_topics' cannot give the digits of scenes"):
        Scenes(ScenesConfig(digits="python_topics", emoji=()))
    with pytest.raises(UsageError, match="scenes have no part 'tests'; expected one of train"):
        made().read("tests")


def test_what_the_data_are_follows_from_what_they_are_made_of():
    source = made().source
    assert (source.name, source.kind, source.image_shape) == ("scenes", "images", (64, 64, 3))
    assert source.splits == {"train": 40_000, "validation": 1000, "test": 1000}
    assert source.fingerprint == Scenes(ScenesConfig(**OFFLINE)).source.fingerprint
    assert source.fingerprint != made(seed=1).source.fingerprint
    assert source.license == "CC BY 4.0"


@pytest.mark.skipif(
    not {"mnist", "openmoji"} <= {*sources.offline_names()}, reason="data are not on disk"
)
@pytest.mark.long
def test_every_emoji_is_there_and_images_are_scenes():
    scenes = Scenes(ScenesConfig())
    assert "designed by OpenMoji" in scenes.source.license
    found = scenes.read("train", 0, 500)
    shown = {group.thing for scene in found.scene for group in scene.groups}
    assert {*EMOJI} <= shown
    images = Images(ImagesConfig(name="scenes", limit=20), (64, 64, 3))
    np.testing.assert_array_equal(np.rint(images.arrays("train")[0] * 255), found.image[:20])
    with pytest.raises(UsageError, match=r"the model takes 32x32x3; set data.resize=true"):
        Images(ImagesConfig(name="scenes"), (32, 32, 3))
    more = Images(ImagesConfig(name="scenes", count=50_000), (64, 64, 3))
    assert more.count("train") == 50_000 - more.count("validation")


def test_how_many_scenes_there_are_is_said_and_of_scenes_alone():
    assert not {"count", "grid"} & {*ImagesConfig(name="scenes").model_dump()}
    with pytest.raises(UsageError, match="count goes with scenes; leave it out for 'digits'"):
        ImagesConfig.parse({"name": "digits", "count": 5}, "data")
    with pytest.raises(UsageError, match="less than or equal to 1000000"):
        ImagesConfig.parse({"name": "scenes", "count": 10**7}, "data")
