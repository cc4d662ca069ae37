"""Text by style: who says what, blocks with their code before them, and what is held out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.errors import UsageError
from zoo.data.styles.codes import code, codes_of, is_name
from zoo.data.styles.division import divide
from zoo.data.styles.passages import UNCODED, Passage, blocks, windows
from zoo.data.text import PARTS, Text, TextConfig
from zoo.data.tokenizers import bpe_tokenizer, character_tokenizer

FEW = settings(max_examples=30, deadline=None)
PLAY = "KING:\nWho comes?\n\nFOOL:\nNobody, my lord.\n\nKING:\nWho\ngoes?\n\nPAGE:\nI.\n\n" * 30
names = st.text(st.sampled_from("ABCxy .'&()-é\n:<|>"), max_size=70)


@pytest.fixture
def play(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "play.txt").write_text(PLAY)
    return TextConfig(name="play.txt", styles="speakers", style_count=2)


def test_what_speakers_say_is_theirs_and_their_names_are_left_out():
    divided = divide("speakers", "play", [PLAY], 2)
    assert list(divided) == ["KING", "FOOL", None]
    assert divided["KING"] == ["Who comes?\n\nWho\ngoes?\n\n" * 30]
    assert divided["FOOL"] == ["Nobody, my lord.\n\n" * 30]
    assert divided[None][0].startswith("I.\n\n") and ":" not in divided[None][0]


def test_lines_that_are_no_speech_have_no_style():
    divided = divide("speakers", "play", ["Act one\n\n" + PLAY, "no speech at all"], 3)
    assert divided[None] == ["Act one\n\nno speech at all\n\n"]


def test_verse_and_prose_are_told_by_how_their_lines_begin():
    verse, prose, line = "To whom?\nTo thee,\nAnd none.", "I have it\nfrom him,\nSir.", "Ay."
    play = f"KING:\n{verse}\n\nFOOL:\n{prose}\n\nKING:\n{line}\n\n{verse}\nand\nWe\nDo\nIt\n"
    divided = divide("registers", "play", [play, f"PAGE:\n{verse}"], None)
    mixed = f"{verse}\nand\nWe\nDo\nIt\n"
    assert divided == {
        "verse": [f"{verse}\n\n{verse}\n\n"],
        "prose": [f"{prose}\n\n"],
        None: [f"{line}\n\n{mixed}\n\n"],
    }


def test_folders_are_styles_and_texts_beside_them_have_none(tmp_path):
    for file, text in (("a b/1.txt", "one"), ("a b/2/3.txt", "two"), ("c/4.txt", "three"),
                       ("5.txt", "four"), ("d/6.txt", "")):  # fmt: skip
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    divided = divide("folders", str(tmp_path), [], None)
    assert divided == {None: ["four"], "a b": ["one", "two"], "c": ["three"]}


@given(names)
def test_a_name_comes_back_from_the_tokenizer_as_it_is(name):
    known = codes_of(character_tokenizer("abc", [code(name)]))
    assert known == ({name: 3} if is_name(name) else {})


def test_codes_of_byte_pairs():
    made = bpe_tokenizer(["low lower"] * 3, 264, [code("x"), code("y z")])
    assert codes_of(made) == {"x": 3, "y z": 4}
    assert made.encode(code("x"), add_special_tokens=False).ids != [3]  # text writes no code


def test_each_style_is_held_out_in_part_and_text_of_none_is_only_trained_on(play):
    text = Text(play, context=8)
    assert text.styles == ["KING", "FOOL"]
    assert [each.style for each in text.passages("train")] == ["KING", "FOOL", None]
    whole = {part: text.written(part) for part in PARTS}
    for style, said in (("KING", "Who comes?\n\nWho\ngoes?\n\n"), ("FOOL", "Nobody, my lord.\n\n")):
        assert "".join(whole[part][style] for part in PARTS) == said * 30
        assert len(whole["test"][style]) == pytest.approx(0.1 * 30 * len(said), abs=1)
    codes = codes_of(text.tokenizer)
    held_out = text.tokens("test")
    assert [*held_out[np.isin(held_out, list(codes.values()))]] == list(codes.values())
    assert text.characters_per_token("test") == 1


def test_too_little_text_of_no_style_is_left_out(play):
    found = [
        [each.style for each in Text(play, context=context).passages("train")]
        for context in (100, 130)
    ]
    assert found == [["KING", "FOOL", None], ["KING", "FOOL"]]


def passages(lengths, coded):
    """Passages of numbers that tell where they are from."""
    return [
        Passage(str(index), 900 + index if coded[index] else None,
                (np.arange(length) + 1000 * (index + 1)).astype(np.int32))
        for index, length in enumerate(lengths)
    ]  # fmt: skip


@FEW
@given(
    st.lists(st.tuples(st.integers(6, 40), st.booleans()), min_size=1, max_size=5),
    st.integers(0, 2**32 - 1),
)
def test_a_block_is_of_one_passage_after_its_code(sizes, seed):
    lengths, coded = zip(*sizes, strict=True)
    inputs, targets = blocks(passages(lengths, coded), 5, 64, seed)(np.int64(3))
    assert inputs.shape == targets.shape == (64, 5)
    for row in np.concatenate([inputs, targets[:, -1:]], axis=1):
        own, first = (row[1:], row[0]) if row[0] < 1000 else (row, None)
        index = own[0] // 1000 - 1
        assert np.all(np.diff(own) == 1) and own[-1] < 1000 * (index + 1) + lengths[index]
        assert first is None or (coded[index] and first == 900 + index)


def test_blocks_begin_everywhere_and_a_tenth_of_them_has_no_code():
    known = passages([9, 12], [True, True])
    pick = blocks(known, 5, 2000, seed=1)
    inputs, targets = pick(np.int64(0))
    begins = np.where(inputs[:, 0] < 1000, targets[:, 0], inputs[:, 0])
    assert set(begins) == {*range(1000, 1004), *range(2000, 2007)}
    assert np.mean(inputs[:, 0] >= 1000) == pytest.approx(UNCODED, abs=0.03)


def test_half_of_the_blocks_are_of_styles_however_much_other_text_there_is():
    known = passages([1000, 12, 9], [False, True, True])
    inputs, targets = blocks(known, 5, 2000, seed=1)(np.int64(0))
    begins = np.where(inputs[:, 0] < 1000, targets[:, 0], inputs[:, 0])
    assert np.mean(begins >= 2000) == pytest.approx(0.5, abs=0.04)
    assert set(begins[begins >= 2000]) == {*range(2000, 2007), *range(3000, 3004)}
    assert len(set(begins[begins < 2000])) > 500


@FEW
@given(st.integers(2, 60), st.integers(2, 12), st.integers(1, 12))
def test_every_token_is_predicted_once_after_its_code(length, context, stride):
    tokens = np.arange(1000, 1000 + length, dtype=np.int32)
    inputs, targets, weights = windows(tokens, context, min(stride, context), code=7)
    assert inputs.shape == targets.shape == weights.shape and inputs.shape[1] == context
    assert np.all(inputs[:, 0] == 7)
    assert sorted(targets[weights == 1]) == list(tokens)
    rows, columns = np.nonzero(weights)
    for row, column in zip(rows, columns, strict=True):
        assert column == 0 or inputs[row, column] == targets[row, column] - 1
    assert np.all((targets == inputs + 1)[:, 1:][weights[:, 1:] == 1])


def test_a_run_that_begins_later_gets_the_same_batches(play):
    text = Text(play, context=8)
    later = next(iter(text.training_batches(4, seed=5, start=2)))
    third = [*text.training_batches(4, seed=5).take(3)][2]
    np.testing.assert_array_equal(later[0], third[0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"style_count": None}, "style_count goes with styles 'speakers', which needs it"),
        ({"styles": None}, "style_count goes with styles 'speakers'"),
        ({"styles": "folders", "style_count": None}, "'play.txt' is no folder; data.styles"),
        ({"style_count": 1}, "key 'style_count' is 1"),
        ({"tokenizer": "given"}, "which the tokenizer of an imported model lacks"),
        ({"name": "prose.txt"}, "'prose.txt' has 0 styles by speakers; expected 2 to 256"),
        ({"limit": 12}, "the train part of style 'KING' of 'play.txt' has 10 tokens; expected"),
    ],
)
def test_what_is_wrong_with_styles(play, tmp_path, changes, message):
    (tmp_path / "prose.txt").write_text("It was a dark night. " * 50)
    with pytest.raises(UsageError, match=message) as caught:
        Text(TextConfig.parse(play.model_dump() | changes, "data"), context=12)
    assert "\n" not in str(caught.value)


def test_there_are_no_more_styles_than_speakers(play):
    many = play.model_copy(update={"style_count": 300})
    assert Text(many, context=8).styles == ["KING", "FOOL", "PAGE"]


def test_a_folder_that_can_name_no_style(tmp_path):
    (tmp_path / "a<b").mkdir()
    (tmp_path / "a<b" / "1.txt").write_text("one")
    with pytest.raises(UsageError, match=r"the folder 'a<b' of .* cannot name a style"):
        divide("folders", str(tmp_path), [], None)


def test_a_tokenizer_of_other_styles(play):
    other = character_tokenizer(PLAY, [code("KING"), code("PAGE")])
    with pytest.raises(UsageError, match="no token for the style 'FOOL'; its styles are KING, PA"):
        Text(play, context=8, tokenizer=other)


def test_what_a_recipe_says_of_text_without_styles_is_what_it_said_before(play):
    assert not {"styles", "style_count"} & TextConfig(name="book.txt").model_dump().keys()
    assert play.model_dump()["styles"] == "speakers"
