"""`/v1/calls/MODEL/CALL`: everything that models can be asked for, with the parameters declared."""

import math
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response

from serving import registry
from serving.calls import Call
from serving.content.content import Content
from serving.errors import nearest
from serving.noise import SEED_LIMIT
from serving.numbers import shown
from serving.parameters import Parameter
from serving.server.bodies import parsed_object
from serving.server.errors import RequestError
from serving.server.exchange import Exchange, as_json, json_response, origin
from serving.server.limits import Limits
from serving.server.marking import marking, shown_as
from serving.server.repository import Served
from serving.server.work.draft import FILTERED
from serving.text.sampling_config import FOLLOWED

JSON = "application/json"
SHOWN = "shown"  # what a client prefers that cannot show the content itself
LONGEST_FOLLOWED = 2**16  # characters of a schema, a regular expression or a grammar
LONGEST_WORD = 1024  # characters of what is no content
_WORDS = {"true": True, "false": False}


async def listed(exchange: Exchange) -> Response:
    """List what every model can be asked for."""
    return json_response(
        {
            served.name: {name: call.record() for name, call in served.calls.items()}
            for served in exchange.server.repository
        }
    )


async def called(exchange: Exchange) -> Response:
    """Ask a model, and give what it made: as a file, where one is accepted, or in JSON."""
    served = exchange.server.repository.get(exchange.path["model"], None)
    call = call_of(served, exchange.path["call"])
    content: Content = registry.content(call.gives)
    suffix = accepted(exchange.request.headers.get("accept", ""), content)
    arguments = await exchange.parse(_arguments, exchange, served, call)
    shown = exchange.request.headers.get("prefer", "").strip().lower() == SHOWN
    return await answered(exchange, served, call, arguments, suffix, shown=shown)


async def answered(
    exchange: Exchange,
    served: Served,
    call: Call,
    arguments: dict[str, Any],
    suffix: str | None,
    *,
    shown: bool = False,
) -> Response:
    """Return the response of a call: a file with this suffix, or JSON, and what shows it."""
    arguments, seed = seeded(call, arguments)
    content: Content = registry.content(call.gives)
    processing = served.manifest.processing
    marked = marking(exchange, served, call, arguments, seed, suffix)

    def given(value: Any) -> Any:
        if suffix is not None:
            return marked(content.to_bytes(value, suffix, processing))
        made = {call.gives: marked(content.to_json(value, processing))}
        return made | ({SHOWN: shown_as(content, value, processing)} if shown else {})

    cell = content.cell(processing, given=False)
    size = 0 if cell is None else cell.bytes
    made = await made_of(exchange, served, call, arguments, given, size)
    headers = origin(served, seed)
    if suffix is not None:
        return Response(made, headers=headers, media_type=content.made_files()[suffix])
    told = {"model": served.name, "model_hash": served.hash, "variant": served.model.variant}
    return json_response(told | {"seed": seed} | made, headers)


async def made_of(
    exchange: Exchange,
    served: Served,
    call: Call,
    arguments: Mapping[Any, Any],
    given: Callable[[Any], Any],
    row_bytes: int,
) -> Any:
    """Return what a call makes: texts with those of other requests, all else by itself.

    Args:
        exchange: that it is for.
        served: the model.
        call: of it.
        arguments: of the call.
        given: turns what is made into what is answered, where that may take a while.
        row_bytes: of each row.

    Raises:
        UsageError: an argument is wrong.
        RequestError: it is too much, or too late.
    """
    rows = checked_amount(call, arguments, exchange.server.limits)
    if not served.writers or call.stream is None:
        work = lambda: given(getattr(served.model, call.name)(**arguments))  # noqa: E731
        return await exchange.compute(served, rows, work, row_bytes)
    # In a thread: a template or a schema is a program of somebody else's.
    orders = await exchange.aside(served.orders_of, call.name, arguments)
    with served.texts(orders, exchange, arguments.get("adapter")) as texts:
        finished = await texts.finished()
    if any(each.reason == FILTERED for each in finished):
        raise RequestError("a filter refuses the text", code="content_filter", reason="filtered")
    written = [each.text for each in finished]
    alone = len(written) == 1 and isinstance(arguments.get(call.continues, ""), str)
    return given(written[0] if alone else written)


def call_of(served: Served, name: str) -> Call:
    """Return a call of a model.

    Raises:
        RequestError: it has none of that name.
    """
    call = served.calls.get(name.replace("-", "_"))
    if call is None:
        known = ", ".join(served.calls)
        raise RequestError(
            f"{served.name} cannot '{name:.80}'; it can {known}", 404, reason="unknown"
        )
    return call


def accepted(accept: str, content: Content) -> str | None:
    """Return the suffix of the file that is asked for, or None for JSON.

    Raises:
        RequestError: there are no such files of this content.

    Example:
        >>> accepted("image/png, */*", registry.content("image"))
        '.png'
    """
    files = list(content.made_files().items())
    kinds = {kind: suffix for suffix, kind in reversed(files)}
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    for kind in wanted:
        if kind in ("", "*/*", "application/*", JSON):
            return None
        if kind in kinds:
            return kinds[kind]
        if kind.endswith("/*"):
            for suffix, each in files:
                if each.startswith(kind[:-1]):
                    return suffix
    known = ", ".join([JSON, *content.made_files().values()])
    raise RequestError(f"accept is '{accept:.80}'; expected one of {known}", 406)


def seeded(call: Call, arguments: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return arguments with a seed, where the call takes one, and that seed: so it can be told."""
    if "seed" not in call.parameters:
        return arguments, None
    seed = arguments.get("seed")
    if seed is None:
        seed = secrets.randbelow(SEED_LIMIT)
    seed = call.parameters["seed"].check(seed)
    plain = seed.tolist() if hasattr(seed, "tolist") else seed
    return arguments | {"seed": plain}, plain


def checked_amount(call: Call, arguments: Mapping[str, Any], limits: Limits) -> int:
    """Check all arguments of a call, and return how many rows it makes at most.

    Raises:
        UsageError: an argument is wrong.
        RequestError: more is asked for than one may ask for.
    """
    for name, value in arguments.items():
        if name not in call.parameters and name not in call.refused:
            known = nearest(name, call.parameters) or f"; there are {', '.join(call.parameters)}"
            raise RequestError(f"unknown option '{name:.80}'{known}", param=name[:80])
        _check_each(call.parameters.get(name), value, limits)
    checked = call.check((), arguments)
    amounts = {"": 1, "rows": 1, "tokens": 1}
    given = 1  # of content
    for name, parameter in call.parameters.items():
        value = checked.get(name, parameter.default)
        if parameter.content and name in checked:
            given = max(given, _length(value))
            _check_length(name, value, limits)
        elif parameter.multiplies:
            amounts[parameter.multiplies] *= (
                int(value) if parameter.kind == "int" else _length(value)
            )
        elif name in FOLLOWED:
            check_followed(name, value)
        elif parameter.kind == "int" and parameter.maximum is None and not parameter.each:
            _check_most(name, value, limits.tokens)
    if any(each.multiplies == "tokens" for each in call.parameters.values()):
        _check_caches(call, checked, given, limits)
    rows = given * amounts["rows"]
    if rows > limits.rows:
        raise RequestError(f"{rows} rows are asked for, {limits.rows} at most; ask for fewer")
    if rows * amounts["tokens"] > limits.tokens:
        raise RequestError(
            f"{rows * amounts['tokens']} tokens are asked for, {limits.tokens} at most"
        )
    return rows


def _check_caches(call: Call, checked: Mapping[str, Any], given: int, limits: Limits) -> None:
    """Refuse more texts at once than a language model has room for; those of `n` take turns."""
    most = limits.texts_together
    if given > most:
        raise RequestError(f"{given} texts are given, {most} at most at once")
    for name, parameter in call.parameters.items():
        value = checked.get(name, parameter.default)
        if parameter.multiplies == "rows" and name != "n" and value > most:
            raise RequestError(f"{name} is {value}; expected {most} at most", param=name)


def _check_each(parameter: Parameter | None, value: Any, limits: Limits) -> None:
    """Refuse more values than rows, and words among numbers: an array would be as wide as those."""
    if parameter is None or parameter.content or not isinstance(value, list):
        return
    name = parameter.name
    if len(value) > limits.rows:
        many = f"{name} has {len(value)} values; expected {limits.rows} at most"
        raise RequestError(many, param=name)
    if parameter.kind == "str" and any(len(str(each)) > LONGEST_WORD for each in value):
        raise RequestError(f"one of {name} is longer than {LONGEST_WORD} characters", param=name)
    if parameter.kind in ("int", "float"):
        for odd in [each for each in value if isinstance(each, str | list | dict)][:1]:
            raise RequestError(f"one of {name} is {shown(odd)}; expected a number", param=name)


def _check_most(name: str, value: Any, most: int) -> None:
    if isinstance(value, int) and value > most:
        raise RequestError(f"{name} is {shown(value)}; expected {most} at most", param=name)


def check_followed(name: str, value: Any) -> None:
    """Refuse what would take long to make ready.

    Raises:
        RequestError: it has too many characters.
    """
    for each in value if isinstance(value, list) else [value]:
        size = len(each) if isinstance(each, str) else len(as_json(each))
        if size > LONGEST_FOLLOWED:
            raise RequestError(f"{name} has {size} characters; expected {LONGEST_FOLLOWED} at most",
                               param=name)  # fmt: skip


def _check_length(name: str, value: Any, limits: Limits) -> None:
    """Refuse texts of more characters than one may send."""
    texts = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    size = sum(len(text) for text in texts if isinstance(text, str))
    if size > limits.characters:
        raise RequestError(f"{name} has {size} characters; expected {limits.characters} at most",
                      param=name)  # fmt: skip


def _length(value: Any) -> int:
    if value is None or isinstance(value, str | int | float):
        return 1
    try:
        return len(value)
    except TypeError:
        return 1


# --- what a request says ---


def _arguments(exchange: Exchange, served: Served, call: Call) -> dict[str, Any]:
    """Return the arguments of a call: of the address, and of the body, in JSON or as a file."""
    given = _of_query(call, exchange.request.query_params)
    kind = exchange.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    data = exchange.data
    if not data:
        return given
    if kind in ("", JSON, "application/x-www-form-urlencoded"):  # the last is curl's, untold
        return given | of_json(served, call, parsed_object(data, exchange.server.limits))
    contents = {name: each for name, each in call.parameters.items() if each.content}
    takes = [name for name, each in contents.items() if not each.options] or [*contents]
    if len(takes) != 1:
        words = f"takes {' and '.join(takes)}" if takes else "takes no files"
        raise RequestError(f"{call.name} {words}; send JSON instead of {kind:.60}", 415)
    content: Content = registry.content(str(call.parameters[takes[0]].content))
    suffixes = {each: suffix for suffix, each in content.files().items()}
    if kind not in suffixes:
        known = ", ".join([JSON, *suffixes])
        raise RequestError(f"content-type is '{kind:.60}'; expected one of {known}", 415)
    value = content.from_bytes(data, suffixes[kind], served.manifest.processing)
    return given | {takes[0]: value}


def of_json(served: Served, call: Call, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments of JSON: content as its kind reads it, all else as it is."""
    found = {}
    for name, value in document.items():
        parameter = call.parameters.get(name)
        if parameter is not None and parameter.content and value is not None:
            content: Content = registry.content(parameter.content)
            value = content.from_json(value, served.manifest.processing)
        found[name] = value
    return found


def _of_query(call: Call, query: QueryParams) -> dict[str, Any]:
    """Return arguments of the address: numbers and words, several where a name is repeated."""
    found: dict[str, Any] = {}
    for name in query:
        parameter = call.parameters.get(name)
        values = [_of_word(parameter, word) for word in query.getlist(name)]
        if len(values) > 1 and parameter is not None and not parameter.each:
            raise RequestError(f"{name} is given {len(values)} times; expected once", param=name)
        found[name] = values if len(values) > 1 else values[0]
    return found


def _of_word(parameter: Parameter | None, word: str) -> Any:
    """Return a word of an address as what its parameter takes; what is none, the check refuses."""
    if parameter is None:
        return word
    if parameter.kind == "bool":
        return _WORDS.get(word.lower(), word)
    if parameter.kind in ("int", "float"):
        try:
            number = float(word)
        except ValueError:
            return word
        whole = word.lstrip("+-").isdigit() and len(word) < 20
        return int(word) if whole else number if math.isfinite(number) else word
    return word


ROUTES = (
    ("GET", "/v1/calls", listed),
    ("POST", "/v1/calls/{model}/{call}", called, True, True),
)
