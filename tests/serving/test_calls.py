"""Calls: from one signature the checks, the records, and the lines for Python and a shell."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving import registry
from serving.calls import call, calls_of, declared_calls
from serving.errors import UsageError
from serving.families.model import Model
from serving.parameters import Parameter, Seed

Count = Annotated[
    int, Parameter("how many", minimum=1, options=("-n", "--count"), example=16)
]  # fmt: skip
Labels = Annotated[
    int | None,
    Parameter(
        "class of all, or one for each",
        minimum=0,
        maximum=lambda model: model.classes - 1,
        each=True,
        options=("--label",),
        applies=lambda model: model.classes > 0,
        example=lambda model: model.classes - 1,
        refusal="this model has no classes; leave labels out",
    ),
]


@dataclass(frozen=True)
class Settings:
    """What `write` takes beside."""

    heat: Annotated[float, Parameter("of it", minimum=0, example=0.5)] = 1.0
    bias: Annotated[Mapping[int, float], Parameter("of tokens")] = ()
    hidden: int = 3


class Base:
    """What all toys can do."""

    def __init__(self, classes=0):
        self.calls = calls_of(type(self), SimpleNamespace(classes=classes))

    @call(gives="image")
    def draw(self, n: Count = 4, labels: Labels = None, seed: Seed = None, dtype: Any = np.uint8):
        """Draw images.

        They are none.
        """
        return n, labels, seed, dtype


class Toy(Base):
    """And what some of them can."""

    @call(gives="image", applies=lambda model: model.classes > 1, refusal="there is one class")
    def blend(self, start: Annotated[int, Parameter("class", minimum=0, example=0)]):
        """Blend classes"""
        return start

    @call(gives="text", stream="flow", continues="prompt", settings=Settings)
    def write(
        self,
        prompt: Annotated[
            str, Parameter("the beginning", content="text", options=("--prompt",), example="To be")
        ],
        max_new_tokens: Annotated[int, Parameter("tokens", minimum=1)] = 9,
        **settings: Any,
    ):
        """Write on."""
        return prompt, max_new_tokens, settings

    @call(gives="image")
    def redraw(self, images: Annotated[Any, Parameter("pictures", content="image")]):
        """Draw images again."""
        return images


def complaint(function, *arguments, **named):
    with pytest.raises(UsageError) as caught:
        function(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- arguments ---


@given(st.integers(1, 99), st.integers(0, 2**32 - 1))
def test_arguments_by_place_and_by_name_are_one(n, seed):
    toy = Toy(classes=10)
    assert toy.draw(n, 3, seed) == toy.draw(seed=float(seed), labels=3, n=np.int64(n))
    assert toy.draw(n, seed=seed) == (n, None, seed, np.uint8)


def test_what_is_not_given_is_the_methods_default():
    assert Toy().draw() == (4, None, None, np.uint8)
    assert Toy().draw(dtype="any") == (4, None, None, "any")
    assert Toy().write("a", heat=2) == ("a", 9, {"heat": 2.0})


@pytest.mark.parametrize(
    ("arguments", "named", "words"),
    [
        ((0,), {}, "n is 0; expected a whole number from 1"),
        ((1, 10), {}, "labels is 10; expected a whole number from 0 to 9"),
        ((1, [3, 10]), {}, "one of labels is 10"),
        ((), {"sede": 3}, "unknown option 'sede'; did you mean 'seed'?"),
        ((), {"volume": 3}, "unknown option 'volume'; there are n, labels, seed, dtype"),
        ((), {"x" * 900: 3}, "unknown option 'xxx"),
        ((4,), {"n": 4}, "draw is given n twice"),
        ((1, 2, 3, 4, 5), {}, "draw is given 5 arguments; it takes n, labels, seed, dtype"),
    ],
)
def test_a_mistake_is_one_line(arguments, named, words):
    assert words in complaint(Toy(classes=10).draw, *arguments, **named)


def test_what_must_be_given():
    assert complaint(Toy().write) == "write needs prompt: the beginning"
    assert complaint(Toy().redraw) == "redraw needs images: pictures"
    assert "heat is -1; expected 0 or more" in complaint(Toy().write, "a", heat=-1)
    assert "unknown option 'hidden'" in complaint(Toy().write, "a", hidden=4)


def test_what_does_not_apply_to_a_model():
    assert complaint(Toy().draw, 1, 3) == "this model has no classes; leave labels out"
    assert Toy().draw(1, None) == Toy().draw(1)
    assert complaint(Toy().blend, 0) == "there is one class"
    assert Toy(classes=10).blend(0.0) == 0
    assert [*Toy().calls] == ["draw", "write", "redraw"]
    assert [*Toy(classes=10).calls] == ["draw", "blend", "write", "redraw"]
    assert [*Toy(classes=10).calls["draw"].parameters] == ["n", "labels", "seed"]
    assert [*Toy().calls["draw"].parameters] == ["n", "seed"]
    assert [*declared_calls(Toy)] == ["draw", "blend", "write", "redraw"]


def test_a_method_that_is_overridden_is_no_call_unless_it_says_so():
    class Plain(Toy):
        def draw(self):
            """Draw something else."""

    assert "draw" not in Plain().calls and "write" in Plain().calls


# --- what is made of it ---


def test_what_other_programs_read():
    record = Toy(classes=10).calls["draw"].record()
    assert json.loads(json.dumps(record)) == record
    assert (record["help"], record["gives"]) == ("Draw images", "image")
    assert record["parameters"]["labels"]["maximum"] == 9
    assert record["parameters"]["n"] == {
        "type": "int", "help": "how many", "default": 4, "minimum": 1,
    }  # fmt: skip
    written = Toy().calls["write"].record()["parameters"]
    assert [*written] == ["prompt", "max_new_tokens", "heat", "bias"]
    assert written["prompt"] == {"type": "text", "help": "the beginning", "required": True}


def test_the_lines_for_python_and_a_shell():
    calls = Toy(classes=10).calls
    draw, write = calls["draw"], calls["write"]
    assert draw.python("toy") == 'serving.load("toy").draw(n=16, labels=9, seed=7)'
    assert draw.shell("toy") == "genzoo draw toy -n 16 --label 9 --seed 7"
    assert Toy().calls["draw"].shell("toy") == "genzoo draw toy -n 16 --seed 7"
    assert write.python("toy") == "serving.load(\"toy\").write('To be', heat=0.5)"
    assert shlex.split(write.shell("toy"))[3:] == ["--prompt", "To be", "--heat", "0.5"]
    assert calls["blend"].python("toy") == 'serving.load("toy").blend(0)'
    assert calls["redraw"].shell("toy") == "genzoo redraw toy IMAGES"
    assert calls["redraw"].python("toy") == 'serving.load("toy").redraw(images)'


# --- those of the families ---

RUNTIMES = [registry.load(family, "runtime") for family in registry.families().values()
            if family.runtime]  # fmt: skip


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.__name__)
def test_every_family_declares_what_can_be_shown(runtime):
    assert issubclass(runtime, Model)
    declared = declared_calls(runtime)
    known = {"generate", "reconstruct", "translate", "fill", "enlarge", "edit", "restyle"}
    assert known & declared.keys()
    for each in declared.values():
        assert each.help and not each.help.endswith(".")
        registry.content(each.gives)
        assert each.stream is None or callable(getattr(runtime, each.stream))
        assert each.continues is None or each.continues in each.parameters
        for parameter in each.parameters.values():
            assert parameter.help and not parameter.help.endswith(".")
            assert parameter.kind != "any", parameter.name
            if parameter.content:
                registry.content(parameter.content)
            if parameter.required and not parameter.content:
                assert parameter.example is not None, f"{each.name} {parameter.name}"
