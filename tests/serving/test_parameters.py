"""What a parameter takes, and how it refuses the rest: in one line that says what was expected."""

import json
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Annotated

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import UsageError
from serving.parameters import Parameter, declared_parameter

SMALL = st.integers(-(2**24), 2**24)  # which every dress can hold
DRESSES = (int, float, np.int64, np.int32, np.float32, np.array, Decimal, Fraction)
ROWS = (
    list,
    tuple,
    np.array,
    lambda row: np.array(row, np.float64),
    lambda row: [*map(float, row)],
)


def declared(hint, default=None, name="size", **known):
    return declared_parameter(name, Annotated[hint, Parameter("how large", **known)], default)


def complaint(parameter, value):
    with pytest.raises(UsageError) as caught:
        parameter.check(value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300
    return str(caught.value)


@given(SMALL, st.sampled_from(DRESSES))
def test_a_whole_number_in_any_dress(number, dress):
    taken = declared(int).check(dress(number))
    assert type(taken) is int and taken == number


@given(SMALL, SMALL, SMALL)
def test_a_whole_number_lies_in_its_range(number, one, other):
    low, high = sorted((one, other))
    parameter = declared(int, minimum=low, maximum=high)
    if low <= number <= high:
        assert parameter.check(number) == number
    else:
        expected = f"expected a whole number from {low} to {high}"
        assert complaint(parameter, number) == f"size is {number}; {expected}"


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.sampled_from(ROWS))
def test_one_for_each(numbers, dress):
    parameter = declared(int, minimum=0, maximum=9, each=True)
    assert list(parameter.check(dress(numbers))) == numbers
    assert np.asarray(parameter.check(dress(numbers))).dtype.kind == "i"
    words = f"one of size is {numbers[0] + 10}"
    assert words in complaint(parameter, dress([numbers[0] + 10, *numbers]))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=5), st.floats())
def test_a_number_for_each(numbers, other):
    parameter = declared(float, minimum=0, maximum=1, each=True)
    assert list(parameter.check(numbers)) == numbers == list(parameter.check(np.array(numbers)))
    if not 0 <= other <= 1:
        assert "one of size is" in complaint(parameter, [*numbers, other])
        assert "expected 0 to 1" in complaint(parameter, other)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.5, "size is 1.5; expected a whole number from 1 to 3"),
        (True, "size is True"),
        (None, "size is None"),
        ("2", "size is '2'"),
        ([2], "size is [2]"),
        (float("nan"), "size is nan"),
        (10**400, "size is"),
        (b"\n" * 900, "size is"),
    ],
)
def test_what_is_no_whole_number(value, words):
    assert words in complaint(declared(int, default=1, minimum=1, maximum=3), value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1, 2.5], "one of size is 2.5; expected a whole number from 1 to 3"),
        ([1, True], "one of size is True"),
        (np.array([True]), "one of size is"),
        ([1, "2"], "one of size is '2'"),
        ([[1, 2]], "one of size is [1, 2]"),
        ([[1], [1, 2]], "size are not all of one shape; expected one array"),
        ([1, float("nan")], "one of size is nan"),
        ([1, float("inf")], "one of size is inf"),
        ([{}], "one of size is {}"),
    ],
)
def test_what_is_no_row_of_whole_numbers(values, words):
    assert words in complaint(declared(int, minimum=1, maximum=3, each=True), values)


def test_nothing_for_each_is_left_to_the_method():
    assert list(declared(int, each=True).check([])) == []


def test_none_is_what_is_not_given():
    assert declared(int | None).check(None) is None
    assert declared(int | None, each=True).check([None, 3]) == [None, 3]
    assert "size is None" in complaint(declared(int, default=4), None)


@pytest.mark.parametrize(
    ("known", "value", "words"),
    [
        ({"above": 0}, 0, "size is 0; expected more than 0"),
        ({"above": 0, "maximum": 1}, 1.5, "size is 1.5; expected more than 0, at most 1"),
        ({"minimum": 2}, 1, "size is 1; expected 2 or more"),
        ({"maximum": 2}, 3, "size is 3; expected at most 2"),
        ({}, "x", "size is 'x'; expected a number"),
        ({}, float("inf"), "size is inf; expected a number"),
    ],
)
def test_what_is_no_number_in_the_range(known, value, words):
    assert complaint(declared(float, default=1.0, **known), value) == words


def test_words_and_truth():
    word = declared(str, default="", choices=("slide", "refuse"))
    assert word.check("slide") == "slide"
    assert complaint(word, "slip") == "size is 'slip'; expected one of slide, refuse"
    assert complaint(word, 7) == "size is 7; expected a string"
    several = declared(str | list[str], default=(), each=True)
    assert several.check(("a", "b")) == ["a", "b"] and several.check("ab") == "ab"
    for row in (["a", 1], [1, 2]):
        assert complaint(several, row) == "one of size is 1; expected a string"
    truth = declared(bool, default=False)
    assert truth.check(True) is True and truth.check(np.bool_(False)) == np.False_
    assert complaint(truth, 1) == "size is 1; expected true or false"


def test_content_and_mappings_are_the_methods_to_check():
    images, bias = np.zeros((2, 3)), {1: 0.5}
    assert declared(object, content="image").check(images) is images
    assert declared(dict[int, float], default={}).check(bias) is bias


def test_json_is_an_object_or_its_text():
    schema = declared(dict | str | None, default=None, kind="json", each=True)
    for value in ({"type": "object"}, '{"type": "object"}', [{}, None, "{}"], None):
        assert schema.check(value) == value
    assert complaint(schema, 3) == "size is 3; expected an object, or its text"
    assert complaint(schema, [{}, 3]) == "one of size is 3; expected an object, or its text"
    assert schema.record()["type"] == "json"


def test_ranges_are_the_models():
    parameter = declared(int, maximum=lambda model: model.classes - 1, minimum=0,
                         example=lambda model: model.classes // 2)  # fmt: skip
    known = parameter.resolved(SimpleNamespace(classes=10))
    assert (known.minimum, known.maximum, known.example) == (0, 9, 5)
    assert "from 0 to 9" in complaint(known, 10)


def test_what_other_programs_read():
    parameter = declared(float, default=1.0, minimum=0, maximum=1, each=True)
    assert parameter.record() == {
        "type": "float", "help": "how large", "default": 1.0, "minimum": 0, "maximum": 1,
        "each": True,
    }  # fmt: skip
    asked = declared_parameter("image", Annotated[object, Parameter("any", content="image")], ...)
    assert not asked.required
    word = declared(str, default=(), choices=("a",))
    for each in (asked, word, declared(dict[int, float], default={3: 1.0})):
        if each is not asked:
            assert json.loads(json.dumps(each.record()))["help"] == "how large"
    assert word.record()["default"] == [] and word.record()["choices"] == ["a"]


def test_how_it_is_given_on_a_command_line():
    assert declared(int, name="max_new_tokens").option_names == ("--max-new-tokens",)
    assert declared(int, options=("-n", "--count")).option_names == ("-n", "--count")


def test_words_take_no_more_room_than_they_have():
    """An array of them would take the room of the longest for each."""
    texts = ["x" * 2**20, *[""] * 2**12]  # 16 GiB in an array
    assert Parameter("texts", kind="content", each=True, default="").check(texts) == texts
    assert Parameter("words", kind="str", each=True, default="", name="words").check(texts) == texts
    numbers = Parameter("numbers", kind="int", each=True, default=0, name="numbers")
    with pytest.raises(UsageError, match="one of numbers is 'x"):
        numbers.check(texts)
