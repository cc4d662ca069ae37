"""What comes with the content of an answer: its mark, and what shows it."""

from collections.abc import Callable, Mapping
from typing import Any

from serving import registry
from serving.calls import Call
from serving.content import pictures
from serving.content.content import Content, Processing, data_address
from serving.making import origin_of
from serving.server.exchange import Exchange
from serving.server.repository import Served


def marking(
    exchange: Exchange,
    served: Served,
    call: Call,
    arguments: Mapping[str, Any],
    seed: Any,
    suffix: str | None = None,
) -> Callable[[Any], Any]:
    """Return what puts a mark into each file that a call gave: bytes, or `data:` addresses.

    Args:
        exchange: that it is for.
        served, call, arguments, seed: what the mark tells.
        suffix: of the file, where only one kind is given.
    """
    content: Content = registry.content(call.gives)
    marks = exchange.server.marks
    if marks is None or not any(
        map(content.markable, content.made_files() if suffix is None else [suffix])
    ):
        return lambda value: value

    def marked(value: Any) -> Any:
        origin = origin_of(served.model, call, arguments, seed, served.hash)
        if isinstance(value, bytes):
            return marks.put(content, value, origin)
        return marks.put_all(content, value, origin)

    return marked


def shown_as(content: Content, value: Any, processing: Processing) -> dict[str, Any]:
    """Return what shows a value to somebody: a picture as a `data:` address, or words."""
    picture, words = content.picture(value, processing), content.words(value, processing)
    return {
        "picture": None if picture is None else data_address("image/png", pictures.png(picture)),
        "words": words,
    }
