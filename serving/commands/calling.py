"""Asks a model for something: files in, a call, a file or the terminal out."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from serving import registry
from serving.calls import Call
from serving.commands.writing import marking_writer
from serving.content.content import Content
from serving.errors import UsageError
from serving.families.model import Model
from serving.files import is_standard_output
from serving.making import Marks, origin_of
from serving.terminal import show


def ask(
    model: Model,
    call: Call,
    inputs: Sequence[str],
    values: Mapping[str, Any],
    out: str | None,
    marks: Marks | None = None,
) -> None:
    """Call a model, and write or print what it gives; what is wrong shows before it works.

    Args:
        model: loaded.
        call: of the model's.
        inputs: files, for what the call takes of content.
        values: of its other parameters, by name.
        out: a file; unless given, what the content says of a model of that name.
        marks: puts into files what made them; None for files without.
    """
    content: Content = registry.content(call.gives)
    arguments = _read(model, call, inputs) | _opened(model, call, values)
    call.check((), arguments)
    if out is None:
        out = content.default_out(model.manifest.name)
    elif call.stream and is_standard_output(out):
        out = None  # where it comes piece by piece
    processing = model.manifest.processing
    if out is None:
        _print(model, call, content, arguments)
        return
    write = marking_writer(content, out, _count(call, arguments), processing, marks)
    result = getattr(model, call.name)(**arguments)
    seed = model.last_seed if "seed" in call.parameters else None
    told = partial(origin_of, model, call, arguments, seed)
    write(whole(call, arguments, result), told)
    _tell(out, f"{content.amount(content.count(result))} from {origin(model, call)}")


def _read(model: Model, call: Call, inputs: Sequence[str]) -> dict[str, Any]:
    """Return what the files hold, by parameter: all to one, or one file to each of several.

    Of words, the words themselves.
    """
    takes = [name for name, each in call.parameters.items() if each.content and not each.options]
    if not inputs:
        return {}
    if not takes:
        raise UsageError(f"{call.name} takes no files; leave {' '.join(inputs)} out")
    groups = [inputs] if len(takes) == 1 else [[path] for path in inputs]
    if len(groups) != len(takes):
        words = any(call.parameters[name].words for name in takes)
        what = "texts" if words else "files"
        raise UsageError(f"{call.name} takes {len(takes)} {what}: {', '.join(takes)}")
    read: dict[str, Any] = {}
    for name, paths in zip(takes, groups, strict=True):
        if call.parameters[name].words:
            read[name] = _words(paths)
            continue
        kind: Content = registry.content(str(call.parameters[name].content))
        read[name] = kind.read([Path(path) for path in paths], model.manifest.processing)
    return read


def _words(given: Sequence[str]) -> str | list[str]:
    """Return the texts of a command line, `-` being the lines of standard input."""
    if list(given) == ["-"]:
        return sys.stdin.read().splitlines()
    return given[0] if len(given) == 1 else list(given)


def _opened(model: Model, call: Call, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as the model takes them: of those that name files, what is in them."""
    opened: dict[str, Any] = {}
    for name, value in values.items():
        parameter = call.parameters[name]
        if parameter.file:
            kind: Content = registry.content(parameter.content or "text")
            paths = [Path(each) for each in ([value] if isinstance(value, str) else value)]
            opened[name] = kind.read(paths, model.manifest.processing)
        else:
            opened[name] = value
    return opened


def _count(call: Call, arguments: Mapping[str, Any]) -> int:
    """Return how many will be made, as far as the arguments say."""
    if "n" in call.parameters:
        return int(arguments.get("n") or call.parameters["n"].default)
    parameters = call.parameters.items()
    kinds = {name: each.content for name, each in parameters if each.content and not each.file}
    given = {name: kind for name, kind in kinds.items() if name in arguments}
    counts = (registry.content(kind).count(arguments[name]) for name, kind in given.items())
    return max(counts, default=1)


def _print(model: Model, call: Call, content: Content, arguments: Mapping[str, Any]) -> None:
    """Print what a call gives, piece by piece where it can be had so."""
    many = _count(call, arguments) > 1 if "n" in call.parameters else False
    if call.stream and not many:
        alone = {name: value for name, value in arguments.items() if name != "n"}
        pieces = getattr(model, call.stream)(**alone)
        for piece in chain([_beginning(call, arguments)], pieces, ["\n"]):
            show(piece, end="")
        made = content.amount(1)
    else:
        result = whole(call, arguments, getattr(model, call.name)(**arguments))
        show(content.words(result, model.manifest.processing) or "")
        made = content.amount(content.count(result))
    show(f"{made} from {origin(model, call)}", file=sys.stderr)


def _beginning(call: Call, arguments: Mapping[str, Any]) -> str:
    """Return the content that a result goes on from."""
    if call.continues is None:
        return ""
    return str(arguments.get(call.continues) or call.parameters[call.continues].default)


def whole(call: Call, arguments: Mapping[str, Any], result: Any) -> Any:
    """Return a result after what it goes on from."""
    start = _beginning(call, arguments)
    if call.continues is None or isinstance(result, str):
        return start + result if call.continues else result
    return [start + each for each in result]


def origin(model: Model, call: Call) -> str:
    """Say where a result comes from: the model, what ran it, and the seed if there was one."""
    seed = f", seed {model.last_seed}" if "seed" in call.parameters else ""
    return f"{model.manifest.name} ({model.variant} on {model.device}{seed})"


def _tell(out: str, what: str) -> None:
    """Say what was written where, but not into it."""
    if is_standard_output(out):
        show(what, file=sys.stderr)
    else:
        show(f"{out}: {what}")
