"""Pairs of texts: from files of aligned lines, made up, or of a data set."""

import pytest

from serving.errors import UsageError
from zoo.data import number_words
from zoo.data.parallel import PARTS, ParallelConfig, read


def write(folder, name="train", **texts):
    for language, lines in texts.items():
        (folder / f"{name}.{language}").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(folder / name)


def test_two_files_are_read_line_by_line(tmp_path):
    name = write(
        tmp_path, en=[f"dog {n}" for n in range(100)], fr=[f"chien {n}" for n in range(100)]
    )
    parts, source = read(ParallelConfig(name=name, languages=("en", "fr"), test=0.1))
    assert parts["train"].sources[:2] == ["dog 0", "dog 1"]
    assert parts["test"].targets == [f"chien {n}" for n in range(90, 100)]
    assert source.splits == {"train": 88, "validation": 2, "test": 10} and source.kind == "pairs"
    assert parts["test"].turned.sources == parts["test"].targets


def test_other_files_can_be_named_for_what_is_held_out(tmp_path):
    names = {
        each: write(tmp_path, each, en=[f"{each} {n}" for n in range(3)], de=["x"] * 3)
        for each in ("train", "val", "test")
    }
    config = ParallelConfig(
        name=names["train"], validation_name=names["val"], test_name=names["test"], limit=2
    )
    parts, _ = read(config)
    assert [parts[part].sources[0] for part in PARTS] == ["train 0", "val 0", "test 0"]
    assert len(parts["train"].sources) == 2
    assert config.places()["test_name"] == tmp_path / "test"


def test_pairs_of_which_a_text_is_empty_are_left_out(tmp_path):
    name = write(tmp_path, en=["a", "", "c", "d"], de=["a", "b", " ", "d"])
    parts, _ = read(ParallelConfig(name=name, validation_name=name, test_name=name))
    assert parts["train"].sources == ["a", "d"]


def test_a_line_ends_where_a_line_end_is_and_nowhere_else(tmp_path):
    name = write(tmp_path, en=["a\u2028b", "c\x0bd", "e"], de=["a", "b", "c"])
    parts, _ = read(ParallelConfig(name=name, validation_name=name, test_name=name))
    assert len(parts["train"].sources) == 3


def test_files_of_unequal_length_are_refused(tmp_path):
    name = write(tmp_path, en=["a"] * 5, de=["b"] * 4)
    with pytest.raises(
        UsageError, match=r"train\.en has 5 lines and train\.de 4; expected as many"
    ):
        read(ParallelConfig(name=name))


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"en": ["a"]}, r"there is no file .*train\.de; expected a text a line in each"),
        ({"en": [""], "de": [""]}, "has no pairs of texts for"),
    ],
)
def test_files_that_hold_nothing_are_refused(tmp_path, texts, said):
    name = write(tmp_path, **texts)
    with pytest.raises(UsageError, match=said):
        read(ParallelConfig(name=name))


def test_a_data_set_of_something_else_is_refused():
    with pytest.raises(UsageError, match="expected texts 'en' and 'de' in train, validation, test"):
        read(ParallelConfig(name="digits"))


def test_numbers_that_are_held_out_are_not_trained_on():
    parts, source = read(ParallelConfig(name="number_words"))
    train, held = ({*parts[part].sources} for part in ("train", "test"))
    assert not train & held and source.license == "CC0-1.0"
    turned, _ = read(ParallelConfig(name="number_words", languages=("de", "en")))
    assert turned["test"] == parts["test"].turned


@pytest.mark.parametrize(
    ("number", "english", "german"),
    [
        (0, "zero", "null"),
        (1, "one", "eins"),
        (16, "sixteen", "sechzehn"),
        (31, "thirty-one", "einunddreißig"),
        (101, "one hundred one", "einhunderteins"),
        (1001, "one thousand one", "eintausendeins"),
        (
            701_017,
            "seven hundred one thousand seventeen",
            "siebenhunderteintausendsiebzehn",
        ),
    ],
)
def test_numbers_are_written_as_people_do(number, english, german):
    assert (number_words.english(number), number_words.german(number)) == (english, german)
