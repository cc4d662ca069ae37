"""A parameter of a call: how its values are checked, explained, and given on a command line.

Ranges may depend on the model: where they are functions, they are asked with the `processing` of
its manifest.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import numpy as np

from serving.errors import UsageError
from serving.noise import SEED_LIMIT
from serving.numbers import real, shown, whole

Bound = float | Callable[[Any], float] | None


@dataclass(frozen=True)
class Parameter:
    """How one argument of a call is checked, explained, and given on a command line.

    Attributes:
        help: one line.
        minimum, maximum: of a number, both included.
        above: what a number must be more than, in the place of `minimum`.
        choices: of a word.
        content: the kind of content that it is; on the command line a file, unless `options` say
            how it is given there.
        words: of content that is text: whether the command line gives the text itself instead of a
            file; `-` then stands for the lines of standard input.
        each: whether it may also be several, one for each of what is made.
        options: how it is given on the command line; `--name` if nothing is said.
        file: whether the command line names a file, whose text is the value.
        applies: whether models of some processing take it at all.
        example: a value for usage lines, or a function of the processing.
        folders: of a word, the argument of `serving.load` that gives names to folders: the word is
            such a name, and on the command line the folder.
        refusal: what is said to who gives it to a model that does not take it.
        kind: `int`, `float`, `str`, `bool`, `mapping`, `json` (a mapping or text), `messages`,
            `content` or `any`; of the annotation unless given.
        multiplies: `rows` or `tokens`, of which a call makes so many times as many.
        columns: numbers of each row, of content that is an array.
        default: of the signature; `inspect.Parameter.empty` where it has none.
        name: of the argument.
    """

    help: str
    minimum: Bound = None
    maximum: Bound = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    content: str | None = None
    words: bool = False
    each: bool = False
    options: tuple[str, ...] = ()
    file: bool = False
    applies: Callable[[Any], bool] | None = None
    example: Any = None
    folders: str | None = None
    refusal: str = "this model does not take it; leave it out"
    kind: str = ""
    multiplies: str = ""
    columns: Bound = None
    default: Any = inspect.Parameter.empty
    name: str = ""

    @property
    def required(self) -> bool:
        """Whether a call must give it."""
        return self.default is inspect.Parameter.empty

    @property
    def option_names(self) -> tuple[str, ...]:
        """How it is given on the command line."""
        return self.options or (f"--{self.name.replace('_', '-')}",)

    def resolved(self, processing: Any) -> "Parameter":
        """Return it for one model."""
        ranges = {
            name: getattr(self, name) for name in ("minimum", "maximum", "example", "columns")
        }
        asked = {name: value(processing) for name, value in ranges.items() if callable(value)}
        return replace(self, **asked) if asked else self

    def check(self, value: Any) -> Any:
        """Return a value as the method takes it.

        Raises:
            UsageError: it is none.
        """
        if value is None and self.default is None:
            return None
        if self.each and not _is_one(value):
            return self._several(value)
        low: Any = self.minimum  # a number by now; see `resolved`
        high: Any = self.maximum
        if self.kind == "int":
            return whole(value, self.name, low, high)
        if self.kind == "float":
            return real(value, self.name, low, high, above=self.above)
        if self.kind == "bool" and not isinstance(value, bool | np.bool_):
            raise UsageError(f"{self.name} is {shown(value)}; expected true or false")
        if self.kind == "str":
            return self._word(value)
        if self.kind == "json" and not isinstance(value, str | Mapping):
            raise UsageError(f"{self.name} is {shown(value)}; expected an object, or its text")
        return value

    @cached_property
    def _one(self) -> "Parameter":
        """What is asked of one value, where there may be several."""
        return replace(self, each=False, name=f"one of {self.name}")

    def _several(self, values: Any) -> Any:
        """Check one for each: numbers as an array, whatever else as a list."""
        kinds = set(map(type, values)) if isinstance(values, (list, tuple)) else set()
        # Words in an array would all take the room of the longest.
        words = any(issubclass(kind, (str, bytes)) for kind in kinds)
        if words or self.kind not in ("int", "float"):
            return [self._one.check(value) for value in values]
        try:
            array = np.asarray(values)
        except ValueError:  # lists of different lengths
            raise UsageError(f"{self.name} are not all of one shape; expected one array") from None
        numbers = array.dtype.kind in "iuf" and not kinds & _TRUTHS
        if not numbers or array.ndim > 1 or not len(array):
            return [self._one.check(value) for value in values]
        few = kinds == {int} and len(values) < _FEW
        extremes = (min(values), max(values)) if few else (array.min().item(), array.max().item())
        for extreme in extremes:  # NaN is both
            self._one.check(extreme)
        if self.kind == "int" and array.dtype.kind == "f":
            for odd in array[array != np.rint(array)][:1]:
                self._one.check(odd.item())
            return array.astype(np.int64)
        return array

    def _word(self, value: Any) -> str:
        if not isinstance(value, str):
            raise UsageError(f"{self.name} is {shown(value)}; expected a string")
        if self.choices and value not in self.choices:
            known = ", ".join(self.choices)
            raise UsageError(f"{self.name} is '{value:.80}'; expected one of {known}")
        return value

    def record(self) -> dict[str, Any]:
        """Return it in words that other programs read."""
        written = {
            "type": self.content or self.kind,
            "help": self.help,
            "required": self.required or None,
            "default": None if self.required else _plain(self.default),
            "minimum": self.minimum,
            "maximum": self.maximum,
            "above": self.above,
            "choices": list(self.choices) or None,
            "each": self.each or None,
        }
        return {key: value for key, value in written.items() if value is not None}


_TRUTHS = {bool, np.bool_}
_FEW = 64  # numbers, of which Python finds the least sooner than NumPy begins to
_KINDS: dict[Any, str] = {int: "int", float: "float", str: "str", bool: "bool"}


def declared_parameter(name: str, hint: Any, default: Any) -> Parameter:
    """Return the parameter that an annotation declares, with what the signature says of it.

    Args:
        name: of the argument.
        hint: `Annotated[type, Parameter(...)]`.
        default: `inspect.Parameter.empty` for none.
    """
    base, *metadata = get_args(hint)
    parameter = next(each for each in metadata if isinstance(each, Parameter))
    kinds = [each for each in _alternatives(base) if each is not NoneType]
    kind = next((_KINDS[each] for each in kinds if each in _KINDS), "any")
    if parameter.content:
        kind = "content"
    elif any(get_origin(each) is not None and issubclass(get_origin(each), Mapping)
             for each in kinds):  # fmt: skip
        kind = "mapping"
    return replace(parameter, name=name, default=default, kind=parameter.kind or kind)


def _is_one(value: Any) -> bool:
    """Say whether it is one value, and no list or array of them."""
    if isinstance(value, (int, float, str)):
        return True
    if isinstance(value, (list, tuple)):
        return False
    try:
        return np.ndim(value) == 0
    except ValueError:  # lists of different lengths
        return False


def _alternatives(hint: Any) -> Sequence[Any]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _plain(value: Any) -> Any:
    """Return a default as JSON has it; what has no such form is left out."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple | list) else value


SEED = Parameter(
    "the same seed gives the same result; a fresh one if none",
    minimum=0,
    maximum=SEED_LIMIT - 1,
    example=7,
)
Seed = Annotated[int | None, SEED]
