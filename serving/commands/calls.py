"""`genzoo CALL MODEL`: a command for everything that models can be asked for.

Which options there are is the model's to say, so the command is made when both names are known.
"""

import inspect
from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import pairwise
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from serving import hub, registry
from serving.calls import Call, declared_calls
from serving.commands.shared import (
    Certificate,
    CertificateKey,
    Device,
    FilterNames,
    Mark,
    Threads,
    Variant,
)
from serving.errors import UsageError, nearest
from serving.parameters import Parameter

_TYPES: dict[str, Any] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "json": str,
    "content": str,
}


class CallGroup(TyperGroup):
    """The commands, to which the calls of all families belong."""

    def list_commands(self, ctx: Any) -> list[str]:
        own = super().list_commands(ctx)
        return [*own, *(name for name in _known() if name not in own)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        if found is None and cmd_name in _known():
            loose = {"ignore_unknown_options": True, "allow_extra_args": True}
            return _command(_explaining(cmd_name), cmd_name, **loose)
        return found

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, rest = args[0], args[1:]
        if super().get_command(ctx, name) is None:
            if name not in _known():
                known = nearest(name, self.list_commands(ctx)) or "; `genzoo --help` lists all"
                raise UsageError(f"there is no command '{name:.80}'{known}")
            model = _model_word(rest, _flags(name))
            if model is not None:
                asking = _asking(*_call_of(name, model))
                return name, _command(asking, name, allow_extra_args=True), rest
        return super().resolve_command(ctx, args)


def _model_word(words: list[str], flags: Collection[str] = ()) -> str | None:
    """Return the word that names the model: the first that is no option, nor the value of one.

    Args:
        words: of the command line, after the name of the call.
        flags: options that have no value.

    Example:
        >>> _model_word(["-n", "4", "--seed=7", "vae-mnist", "--help"])
        'vae-mnist'
    """

    def takes_value(word: str) -> bool:
        long = word.startswith("--") and "=" not in word
        short = len(word) == 2 and word[0] == "-" and word[1].isalpha()
        return (long or short) and word not in ("--", "--help", *flags)

    pairs = pairwise(["", *words])
    return next((word for before, word in pairs
                 if not word.startswith("-") and not takes_value(before)), None)  # fmt: skip


def _flags(name: str) -> list[str]:
    """Return the options of a call, of whatever model, that have no value."""
    calls = [declared_calls(runtime).get(name.replace("-", "_")) for runtime in _runtimes()]
    parameters = (each for call in calls if call for each in call.parameters.values())
    names = [option for each in parameters if each.kind == "bool" for option in each.option_names]
    return [*names, *(f"--no-{option.removeprefix('--')}" for option in names)]


def _known() -> dict[str, str]:
    """Return what models of any family can be asked for, and what it is."""
    found: dict[str, list[str]] = {}
    for runtime in _runtimes():
        for declared in declared_calls(runtime).values():
            found.setdefault(declared.name.replace("_", "-"), []).append(declared.help)
    return {name: " / ".join(dict.fromkeys(words)) for name, words in found.items()}


def _runtimes() -> list[type]:
    known = registry.families().values()
    return [registry.load(family, "runtime") for family in known if family.runtime is not None]


def _call_of(name: str, model: str) -> tuple[Call, list[Parameter]]:
    """Return a call of one model, and what only other models take by that name.

    Raises:
        UsageError: there is no such model, or it has no such call.
    """
    from serving.hub.opening import open_manifest
    from serving.loader import runtime_of

    manifest = open_manifest(hub.find(model))
    runtime, wanted = runtime_of(manifest), name.replace("-", "_")
    calls = runtime.declared(manifest)
    if wanted not in calls:
        of_others = declared_calls(runtime).get(wanted)
        reason = f"it can {', '.join(calls).replace('_', '-')}"
        raise UsageError(
            f"{manifest.name} cannot {name}: {of_others.refusal if of_others else reason}"
        )
    return calls[wanted], _foreign(calls[wanted], manifest.name)


def _foreign(call: Call, model: str) -> list[Parameter]:
    """Return what is an option of the same call of other models, and is none of this one."""
    found = {name: each for name, each in call.refused.items() if _is_option(each)}
    taken = {option for each in call.parameters.values() for option in each.option_names}
    for runtime in _runtimes():
        others = declared_calls(runtime).get(call.name)
        for name, each in others.parameters.items() if others else ():
            if _is_option(each) and name not in found and not taken & {*each.option_names}:
                refusal = f"{each.option_names[-1]} does not apply to {model}; leave it out"
                found[name] = replace(each, refusal=refusal)
    return [each for name, each in found.items() if name not in call.parameters]


def _command(function: Callable[..., None], name: str, **settings: Any) -> Any:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, epilog=function.__dict__["epilog"], context_settings=settings)(function)
    return typer.main.get_command(app)


def _explaining(name: str) -> Callable[..., None]:
    """Return the command that says what a call is, where no model is named."""

    def explain() -> None:
        raise UsageError(f"no model is named; genzoo {name} NAME_OR_DIR, as `genzoo list` has them")

    explain.__doc__ = f"{_known()[name]}; `genzoo {name} NAME --help` shows the model's options."
    explain.__dict__["epilog"] = f"Example: genzoo {name} NAME --help"
    return explain


def _asking(call: Call, foreign: list[Parameter]) -> Callable[..., None]:
    """Return the command that asks a model, whose options are the call's parameters.

    Args:
        call: of the model.
        foreign: hidden options, so that whoever gives one is told why it is not taken.
    """
    options = [each for each in call.parameters.values() if _is_option(each)]

    def command(**given: Any) -> None:
        from serving.commands.calling import ask
        from serving.commands.conversing import converse
        from serving.commands.marking import marks_of
        from serving.loader import load

        for each in foreign:
            if given[each.name] is not None:
                raise UsageError(each.refusal)
        loaded = load(
            given["model"],
            device=given["device"],
            variant=given["variant"],
            threads=given["threads"],
            filters=given["filters"] or (),
            **_folders(options, given),
        )
        values = {each.name: given[each.name] for each in options}
        chosen = {name: value for name, value in values.items() if value not in (None, [])}
        inputs = given.get("inputs") or given["ctx"].args  # which are too many
        if call.turns:
            converse(loaded, call, inputs, chosen)
        else:
            ask(loaded, call, inputs, chosen, given["out"], marks_of(given))

    command.__doc__ = f"{call.help}."
    shared = [_named("ctx", typer.Context), _model(), *_inputs(call), *map(_option, options)]
    shared += [*map(_hidden, foreign), *_shared(writes=not call.turns)]
    command.__signature__ = inspect.Signature(shared)  # type: ignore[attr-defined]
    command.__annotations__ = {each.name: each.annotation for each in shared}
    command.__dict__["epilog"] = f"Example: {call.shell('NAME')}"
    return command


def _folders(options: list[Parameter], given: dict[str, Any]) -> dict[str, Any]:
    """Return what the model is loaded with: folders that are given, each as its own name."""
    return {
        each.folders: {given[each.name]: given[each.name]}
        for each in options
        if each.folders and given[each.name] is not None
    }


def _is_option(parameter: Parameter) -> bool:
    """Say whether a parameter is one word or number, and no file."""
    return parameter.kind in _TYPES and (not parameter.content or bool(parameter.options))


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
    itself = any(each.words for each in takes)
    known = "In quotes, or - for the lines of standard input" if itself else "Files of"
    argument = typer.Argument(
        metavar="TEXT" if itself else "INPUT",
        help=f"{known}{':' if itself else ''} {words}.",
    )
    return [_named("inputs", Annotated[list[str] | None, argument], None)]


def _option(parameter: Parameter) -> inspect.Parameter:
    """Return the option of one parameter; what is not given is left to the method."""
    several, kind = isinstance(parameter.default, tuple), _TYPES[parameter.kind]
    hint: Any = list[kind] | None if several else kind | None  # type: ignore[valid-type]
    option = typer.Option(*parameter.option_names, help=_help(parameter, several))
    return _named(parameter.name, Annotated[hint, option], None)


def _hidden(parameter: Parameter) -> inspect.Parameter:
    option = typer.Option(*parameter.option_names, hidden=True)
    hint: Any = bool | None if parameter.kind == "bool" else str | None
    return _named(parameter.name, Annotated[hint, option], None)


def _help(parameter: Parameter, several: bool) -> str:
    """Return one line: what it is, its range, its default."""
    words = f"file of {parameter.help}" if parameter.file else parameter.help
    words = words[0].upper() + words[1:]
    low, high, more = parameter.minimum, parameter.maximum, parameter.above
    if parameter.choices:
        words += f": {' or '.join(parameter.choices)}"
    elif more is not None:
        words += f", above {more}" + (f" up to {high}" if high is not None else "")
    elif low is not None and high is not None and parameter.name != "seed":
        words += f", {low}" + (f" to {high}" if high != low else "")
    elif low is not None and low != 0:
        words += f", from {low}"
    default = parameter.default
    if isinstance(default, tuple):
        default = " ".join(map(str, default))
    if not parameter.required and default not in (None, ""):
        words += f"; {default} if not given"
    return f"{words}{'; may be repeated' if several else ''}."


def _shared(writes: bool) -> list[inspect.Parameter]:
    """Return the options of all calls, and of those that write a file."""
    out = typer.Option(help="A file or a folder, - for standard output.")
    of_files = [
        _named("out", Annotated[str | None, out], None),
        _named("mark", Mark, True),
        _named("c2pa_certificate", Certificate, None),
        _named("c2pa_key", CertificateKey, None),
    ]
    return [
        *(of_files if writes else []),
        _named("device", Device, "auto"),
        _named("variant", Variant, "auto"),
        _named("threads", Threads, None),
        _named("filters", FilterNames, None),
    ]
