"""Emoji with captions: as they are, in parts that share none."""

from functools import cache

import pytest

from serving.errors import UsageError
from zoo.data import sources
from zoo.data.emoji.config import EmojiConfig
from zoo.data.emoji.emoji import PARTS, Emoji, _base

pytestmark = pytest.mark.skipif(
    "openmoji" not in sources.offline_names(), reason="openmoji is not on disk"
)


@cache
def emoji(**values):
    return Emoji(EmojiConfig(**values))


def test_every_emoji_has_a_caption_and_is_in_one_part():
    found = emoji()
    parts = {part: found.read(part) for part in PARTS}
    for part, (image, caption) in parts.items():
        assert image.shape == (len(caption), 64, 64, 3) and all(caption)
        assert found.source.splits[part] == len(caption)
        assert (image[:, 0, 0] >= 250).mean() > 0.9  # on white
    names = {part: {*caption} for part, (_, caption) in parts.items()}
    assert not names["train"] & names["validation"] and "red heart" in names["train"]
    assert 100 <= found.source.splits["validation"] < 110 and found.source.license == "CC BY-SA 4.0"
    assert not any(": " in name and "skin tone" in name for some in names.values() for name in some)


def test_groups_and_skin_tones_are_chosen():
    food = emoji(groups=("food-drink",), size=32, validation=5)
    assert food.read("train").image.shape[1:] == (32, 32, 3)
    assert "pizza" in food.read("test").caption
    assert food.source.splits["train"] < 150
    people = emoji(groups=("people-body",), skin_tones=True, validation=10)
    names = [{_base(name.encode()) for name in people.read(part).caption} for part in PARTS]
    assert not names[0] & names[1] and not names[0] & names[2]
    assert any("skin tone" in name for name in people.read("train").caption)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"groups": ("food-drinks",)}, "no group 'food-drinks'; did you mean 'food-drink'"),
        ({"groups": ("food-drink",), "validation": 1000}, "not more than the 1000 held out"),
    ],
)
def test_what_is_not_there_is_refused(values, message):
    with pytest.raises(UsageError, match=message) as caught:
        Emoji(EmojiConfig(**values))
    assert "\n" not in str(caught.value)


def test_there_is_no_other_part():
    with pytest.raises(UsageError, match="emoji have no part 'tests'; expected one of train"):
        emoji().read("tests")
