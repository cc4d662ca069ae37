"""Calls: what a model can be asked for, declared once.

A call is a method of a runtime whose parameters are annotated with a `Parameter`. From that one
signature come the checks of its arguments, the options of `genzoo CALL MODEL`, the usage lines of
the card and `calls` in `bundle.json`:

    @call(gives="image")
    def generate(self, n: Annotated[int, Parameter("how many", minimum=1)] = 64) -> np.ndarray:

What a parameter is, and how its values are checked, is `serving.parameters`'s.
"""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, wraps
from typing import Annotated, Any, TypeVar, get_origin, get_type_hints

from serving.errors import UsageError, nearest
from serving.parameters import Parameter, declared_parameter

Method = TypeVar("Method", bound=Callable[..., Any])


@dataclass(frozen=True)
class Call:
    """One thing that one model can be asked for.

    Attributes:
        name: of the method.
        help: one line.
        gives: the kind of content that comes of it.
        parameters: that this model takes, by name.
        refused: those that only other models of the family take.
        stream: the method that gives the same piece by piece, if there is one.
        continues: the parameter whose content goes on in the result, if one does.
        turns: the parameter that holds what was said, of a call that is one turn of many.
        order: of all arguments of the method, those that are for Python alone included.
        applies: whether models of some processing can do it at all.
        refusal: what the others say.
    """

    name: str
    help: str
    gives: str
    parameters: Mapping[str, Parameter]
    refused: Mapping[str, Parameter]
    stream: str | None = None
    continues: str | None = None
    turns: str | None = None
    order: tuple[str, ...] = ()
    applies: Callable[[Any], bool] | None = None
    refusal: str = ""

    def check(self, arguments: Sequence[Any], named: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name, each checked; those not given are left out.

        Raises:
            UsageError: one is unknown, missing, given twice or out of range.
        """
        names = self.order
        if len(arguments) > len(names):
            raise UsageError(
                f"{self.name} is given {len(arguments)} arguments; it takes {', '.join(names)}"
            )
        given = dict(zip(names, arguments, strict=False))
        for name, value in named.items():
            if name in given:
                raise UsageError(f"{self.name} is given {name} twice")
            given[name] = value
        checked = {}
        for name, value in given.items():
            parameter = self.parameters.get(name)
            if parameter is not None:
                checked[name] = parameter.check(value)
            elif name in self.refused:
                if value is not None:
                    raise UsageError(self.refused[name].refusal)
            elif name in names:
                checked[name] = value
            else:
                hint = nearest(name, names) or f"; there are {', '.join(names)}"
                raise UsageError(f"unknown option '{name:.80}'{hint}")
        for name, parameter in self.parameters.items():
            if parameter.required and name not in checked:
                raise UsageError(f"{self.name} needs {name}: {parameter.help}")
        return checked

    def with_choices(self, name: str, choices: Iterable[str]) -> "Call":
        """Return it with the words that a parameter may be of one model, where it takes it."""
        if name not in self.parameters:
            return self
        chosen = replace(self.parameters[name], choices=tuple(choices))
        return replace(self, parameters={**self.parameters, name: chosen})

    @property
    def files(self) -> list[Parameter]:
        """Content that it takes, of which a file alone is the one that must be given."""
        takes = [each for each in self.parameters.values() if each.content]
        needed = [each for each in takes if each.required]
        return needed if len(needed) == 1 else takes

    def record(self) -> dict[str, Any]:
        """Return it in words that other programs read."""
        parameters = {name: each.record() for name, each in self.parameters.items()}
        return {"help": self.help, "gives": self.gives, "parameters": parameters}

    def python(self, model: str) -> str:
        """Return the line of Python that asks a model for it."""
        shown = []
        for name, parameter in self.parameters.items():
            if parameter.example is not None:
                value = repr(parameter.example)
                shown.append(value if parameter.required else f"{name}={value}")
            elif parameter.required:
                shown.append(name)
        return f'serving.load("{model}").{self.name}({", ".join(shown)})'

    def shell(self, model: str) -> str:
        """Return the line for a shell."""
        words = ["genzoo", self.name.replace("_", "-"), model]
        for parameter in self.parameters.values():
            value = parameter.example
            if parameter.words and value is not None:
                words.append(f'"{value}"')
            elif parameter.content and not parameter.options:
                words += [parameter.name.upper()] * parameter.required
            elif value is not None and parameter.name != self.turns:
                words += [
                    parameter.option_names[0],
                    f'"{value}"' if value == str(value) else str(value),
                ]
        return " ".join(words)


def call(
    *,
    gives: str,
    stream: str | None = None,
    continues: str | None = None,
    turns: str | None = None,
    settings: type | None = None,
    applies: Callable[[Any], bool] | None = None,
    refusal: str = "this model cannot do that",
) -> Callable[[Method], Method]:
    """Declare a method as a call; its arguments are then checked whenever it is called.

    Args:
        gives: the kind of content that it returns.
        stream: the method that gives the same piece by piece.
        continues: the parameter that the result goes on from.
        turns: the parameter that holds what was said, where the call is one turn of many.
        settings: a dataclass whose annotated fields are keywords of the method as well.
        applies: whether models of some processing can do it; all unless given.
        refusal: what the others say.
    """

    def declare(method: Method) -> Method:
        @wraps(method)
        def checked(self: Any, *arguments: Any, **named: Any) -> Any:
            declared = self.calls.get(method.__name__)
            if declared is None:
                raise UsageError(refusal)
            given = declared.check(arguments, named)
            filters = getattr(self, "filters", None)
            if filters is None:
                return method(self, **given)
            processing = self.manifest.processing
            filters.check_given(declared, given, processing)
            made = method(self, **given)
            filters.check_made(declared, given, made, processing)
            return made

        declared = Call(
            name=method.__name__,
            help=(inspect.getdoc(method) or "").partition("\n")[0].rstrip("."),
            gives=gives,
            parameters=(parameters := _parameters(method, settings)),
            refused={},
            order=_order(method, parameters),
            applies=applies,
            refusal=refusal,
            stream=stream,
            continues=continues,
            turns=turns,
        )
        checked.declared_call = declared  # type: ignore[attr-defined]
        return checked  # type: ignore[return-value]

    return declare


def calls_of(runtime: type, processing: Any) -> dict[str, Call]:
    """Return what models of a runtime class can be asked for, in the order of their definition.

    Args:
        runtime: a class whose methods are declared by `call`.
        processing: of one model.
    """
    return {
        name: _resolved(declared, processing)
        for name, declared in declared_calls(runtime).items()
        if declared.applies is None or declared.applies(processing)
    }


def declared_calls(runtime: type) -> dict[str, Call]:
    """Return what some model of a runtime class can be asked for, those of its bases first."""
    found: dict[str, Call] = {}
    for name in (name for base in reversed(runtime.__mro__) for name in vars(base)):
        declared = getattr(getattr(runtime, name, None), "declared_call", None)
        if declared is not None:
            found[name] = declared
    return found


def _resolved(declared: Call, processing: Any) -> Call:
    takes, refused = {}, {}
    for name, parameter in declared.parameters.items():
        if parameter.applies is None or parameter.applies(processing):
            takes[name] = parameter.resolved(processing)
        else:
            refused[name] = parameter
    return replace(declared, parameters=takes, refused=refused)


def _parameters(method: Callable[..., Any], settings: type | None) -> dict[str, Parameter]:
    """Return the annotated parameters of a method, and the fields of its settings."""
    hints = get_type_hints(method, include_extras=True)
    signature = inspect.signature(method)
    found = {
        name: declared_parameter(name, hints[name], each.default)
        for name, each in signature.parameters.items()
        if get_origin(hints.get(name)) is Annotated
    }
    return found if settings is None else found | _fields(settings)


@cache  # several calls of a family have the same settings
def _fields(settings: type) -> dict[str, Parameter]:
    """Return the annotated fields of settings."""
    hints, defaults = get_type_hints(settings, include_extras=True), settings()
    return {
        name: declared_parameter(name, hint, getattr(defaults, name))
        for name, hint in hints.items()
        if get_origin(hint) is Annotated
    }


def _order(method: Callable[..., Any], parameters: Mapping[str, Parameter]) -> tuple[str, ...]:
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    of_method = [
        name for name, each in inspect.signature(method).parameters.items() if each.kind in named
    ]
    return tuple(dict.fromkeys([*of_method[1:], *parameters]))  # all but `self`
