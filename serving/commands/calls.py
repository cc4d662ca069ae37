"""`genzoo CALL MODEL`: a command for everything that models can be asked for.

Which options there are is the model's to say, so the command is made when both names are known.
"""

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from serving import hub, registry
from serving.calls import Call
from serving.commands.shared import Device, Threads, Variant
from serving.errors import UsageError, nearest
from serving.parameters import Parameter, option_names

_TYPES: dict[str, Any] = {"int": int, "float": float, "bool": bool, "str": str, "content": str}


class CallGroup(TyperGroup):
    """The commands, to which the calls of all families belong."""

    def list_commands(self, ctx: Any) -> list[str]:
        own = super().list_commands(ctx)
        return [*own, *(name for name in _known() if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        if found is None and cmd_name in _known():
            return _command(_explaining(cmd_name), cmd_name)
        return found

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, rest = args[0], args[1:]
        if super().get_command(ctx, name) is None and name in _known():
            model = next((word for word in rest if not word.startswith("-")), None)
            if model is not None:
                return name, _command(_asking(_call_of(name, model)), name), rest
        return super().resolve_command(ctx, args)


def _known() -> dict[str, str]:
    """Return what models of any family can be asked for, and what it is."""
    found: dict[str, str] = {}
    for family in registry.families().values():
        if family.runtime is not None:
            for method in vars(registry.load(family, "runtime")), *_inherited(family):
                for each in method.values():
                    declared = getattr(each, "declared_call", None)
                    if declared is not None:
                        found.setdefault(declared.name.replace("_", "-"), declared.help)
    return found


def _inherited(family: registry.Family) -> list[Any]:
    return [vars(base) for base in registry.load(family, "runtime").__mro__[1:]]


def _call_of(name: str, model: str) -> Call:
    """Return a call of one model.

    Raises:
        UsageError: there is no such model, or it has no such call.
    """
    from serving.hub.opening import open_manifest
    from serving.loader import runtime_of

    manifest = open_manifest(hub.find(model))
    calls = runtime_of(manifest).declared(manifest)
    wanted = name.replace("-", "_")
    if wanted not in calls:
        known = [each.replace("_", "-") for each in calls]
        hint = nearest(name, known) or f"; it can {', '.join(known)}"
        raise UsageError(f"{manifest.name} cannot {name}{hint}")
    return calls[wanted]


def _command(function: Callable[..., None], name: str) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, epilog=getattr(function, "epilog", None))(function)
    return typer.main.get_command(app)


def _explaining(name: str) -> Callable[..., None]:
    """Return the command that says what a call is, where no model is named."""

    def explain(
        model: Annotated[
            str, typer.Argument(metavar="NAME_OR_DIR", help="A model's name, or a bundle.")
        ],
    ) -> None:
        raise UsageError(f"no model is named; genzoo {name} NAME_OR_DIR")

    explain.__doc__ = f"{_known()[name]}; `genzoo {name} NAME --help` shows the model's options."
    return explain


def _asking(call: Call) -> Callable[..., None]:
    """Return the command that asks a model, whose options are the call's parameters."""
    options = [each for each in call.parameters.values() if _is_option(each)]
    refused = list(call.refused)  # hidden, so that whoever gives one is told why it is not taken

    def command(**given: Any) -> None:
        from serving.commands.calling import ask
        from serving.loader import load

        loaded = load(
            given["model"],
            device=given["device"],
            variant=given["variant"],
            threads=given["threads"],
        )
        values = {name: given[name] for name in [each.name for each in options] + refused}
        chosen = {name: value for name, value in values.items() if value not in (None, [])}
        ask(loaded, call, given.get("inputs") or [], chosen, given["out"])

    command.__doc__ = f"{call.help}."
    shared = [_model(), *_inputs(call), *map(_option, options)]
    shared += [*map(_hidden, call.refused.values()), *_shared()]
    command.__signature__ = inspect.Signature(shared)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in shared}
    command.epilog = f"Example: {call.shell('NAME')}"  # type: ignore[attr-defined]
    return command


def _is_option(parameter: Parameter) -> bool:
    if parameter.kind in ("mapping", "any"):
        return parameter.each and parameter.kind == "any"
    return not parameter.content or bool(parameter.options)


def _named(name: str, hint: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _model() -> inspect.Parameter:
    argument = typer.Argument(metavar="NAME_OR_DIR", help="A model's name, or a bundle.")
    return _named("model", Annotated[str, argument])


def _inputs(call: Call) -> list[inspect.Parameter]:
    """Return the files that a call takes, as one argument of many words."""
    takes = [each for each in call.parameters.values() if each.content and not each.options]
    if not takes:
        return []
    words = "; ".join(f"{each.name}: {each.help}" for each in takes)
    argument = typer.Argument(metavar="[INPUT ...]", help=f"Files of {words}.")
    return [_named("inputs", Annotated[list[str] | None, argument], None)]


def _option(parameter: Parameter) -> inspect.Parameter:
    """Return the option of one parameter; what is not given is left to the method."""
    several = parameter.each and parameter.kind in ("any", "str")
    kind = float if parameter.kind == "any" else _TYPES[parameter.kind]
    hint: Any = list[kind] | None if several else kind | None  # type: ignore[valid-type]
    option = typer.Option(*option_names(parameter), help=_help(parameter, several))
    return _named(parameter.name, Annotated[hint, option], None)


def _hidden(parameter: Parameter) -> inspect.Parameter:
    option = typer.Option(*option_names(parameter), hidden=True)
    return _named(parameter.name, Annotated[str | None, option], None)


def _help(parameter: Parameter, several: bool) -> str:
    """Return one line: what it is, its range, its default."""
    words = parameter.help[0].upper() + parameter.help[1:]
    low, high, more = parameter.minimum, parameter.maximum, parameter.above
    if parameter.choices:
        words += f": {' or '.join(parameter.choices)}"
    elif more is not None:
        words += f", above {more}" + (f" up to {high}" if high is not None else "")
    elif low is not None and high is not None and parameter.name != "seed":
        words += f", {low} to {high}"
    elif low is not None and low != 0:
        words += f", from {low}"
    if not parameter.required and parameter.default not in (None, "", (), [], {}):
        words += f"; {parameter.default} if not given"
    return f"{words}{'; may be repeated' if several else ''}."


def _shared() -> list[inspect.Parameter]:
    """Return the options of all calls."""
    out = typer.Option(help="A file or a folder, - for standard output.")
    return [
        _named("out", Annotated[str | None, out], None),
        _named("device", Device, "auto"),
        _named("variant", Variant, "auto"),
        _named("threads", Threads, None),
    ]
