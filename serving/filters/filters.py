"""The filters of a model: asked of whatever it is given, and of whatever it gives."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

from serving import registry
from serving.calls import Call
from serving.content.content import Content, Processing
from serving.errors import GenzooError, UsageError, first_line, nearest
from serving.filters.filter import Filter
from serving.filters.words import WordFilter

GROUP = "genzoo.filters"
# Characters before what is new that a filter sees while a text comes; to look at all of a long one
# again at each word would take as long as all the words together, squared.
REMEMBERED = 4096
_OWN: dict[str, Any] = {"words": WordFilter}


class FilteredError(UsageError):
    """Content that a filter refuses.

    Args:
        name: of the filter.
        what: was refused.
        reason: why.
    """

    def __init__(self, name: str, what: str, reason: str) -> None:
        super().__init__(f"the filter '{name}' refuses {what}: {reason}")


class Filters:
    """Filters, each of which may refuse.

    Args:
        named: `NAME` or `NAME:SETTING`; built in, or of an installed package.

    Raises:
        UsageError: there is none of that name, or its setting cannot be used.
        GenzooError: the package of one cannot be loaded.
    """

    def __init__(self, named: Sequence[str]) -> None:
        self._filters = [(each.partition(":")[0], _made(each)) for each in named]

    def check_given(self, call: Call, arguments: Mapping[str, Any], processing: Processing) -> None:
        """Refuse arguments that a call may not be given: its content, and what was said.

        Raises:
            FilteredError: a filter refuses one.
        """
        for name, value in arguments.items():
            parameter = call.parameters.get(name)
            if parameter is not None and parameter.content and value is not None:
                kind: Content = registry.content(parameter.content)
                self._check(kind.looked_at(value, processing), f"the {name}")
            elif name == call.turns:
                said = (each.get("content") for each in value if isinstance(each, Mapping))
                self._check([str(each) for each in said], f"the {name}")
            elif parameter is not None and parameter.kind == "str" and isinstance(value, str):
                self._check([value], f"the {name}")

    def check_made(
        self, call: Call, arguments: Mapping[str, Any], value: Any, processing: Processing
    ) -> None:
        """Refuse what a call has made; a text that goes on from a prompt together with it.

        Raises:
            FilteredError: a filter refuses it.
        """
        kind: Content = registry.content(call.gives)
        before = arguments.get(call.continues) if call.continues else None
        for each in kind.looked_at(value, processing):
            joined = before + each if isinstance(before, str) and isinstance(each, str) else each
            self._check([joined], f"the {kind.noun}")

    def check_prompt(self, text: str) -> None:
        """Refuse a text that a model is to go on from.

        Raises:
            FilteredError: a filter refuses it.
        """
        self._check([text], "the prompt")

    def streamed(self, pieces: Iterable[str], before: str = "") -> Iterator[str]:
        """Yield a text that comes piece by piece, a word only when it is whole.

        Raises:
            FilteredError: a filter refuses it, before the word that it refuses is told.
        """
        self.check_prompt(before)
        watch = Watch(self, before)
        for piece in pieces:
            yield watch.push(piece)
        yield watch.push("", end=True)

    def check_text(self, text: str) -> None:
        """Refuse a text that a model has written.

        Raises:
            FilteredError: a filter refuses it.
        """
        self._check([text], "the text")

    def _check(self, pieces: Iterable[Any], what: str) -> None:
        for piece in pieces:
            for name, each in self._filters:
                reason = each.words(piece) if isinstance(piece, str) else each.image(piece)
                if reason is not None:
                    raise FilteredError(name, what, reason)


class Watch:
    """Watches a text that comes piece by piece, and holds back a word until it is whole.

    While it comes, filters see the last `REMEMBERED` characters of what was told and what is new;
    at its end they see all of it.

    Args:
        filters: None to let everything pass.
        before: what the text goes on from.
    """

    def __init__(self, filters: Filters | None = None, before: str = "") -> None:
        self._filters, self._text, self._told = filters, before, len(before)

    def push(self, piece: str, *, end: bool = False) -> str:
        """Return what may be told now that this has come.

        Args:
            piece: what is new.
            end: whether it is the last.

        Raises:
            FilteredError: a filter refuses the text as far as it has come.
        """
        if self._filters is None:
            return piece
        self._text += piece
        until = len(self._text) if end else _last_end(self._text)
        if until <= self._told:
            return ""
        begin = 0 if end else _last_end(self._text[: max(0, self._told - REMEMBERED)])
        self._filters.check_text(self._text[begin:until])
        told, self._told = self._text[self._told : until], until
        return told

    @property
    def holds(self) -> bool:
        """Whether a word is held back that is not whole yet."""
        return self._filters is not None and self._told < len(self._text)


def _last_end(text: str) -> int:
    """Return where the last word that is whole ends.

    Example:
        >>> _last_end("to be, or no")
        10
    """
    at = len(text)
    while at and (text[at - 1].isalnum() or text[at - 1] == "_"):
        at -= 1
    return at


def _made(named: str) -> Filter:
    name, _, setting = named.partition(":")
    known = dict(_OWN)
    for entry in entry_points(group=GROUP):
        known.setdefault(entry.name, entry)
    if name not in known:
        hint = nearest(name, known) or f"; there are {', '.join(known)}"
        raise UsageError(
            f"no filter is called '{name:.80}'{hint} (is the package that brings it installed?)"
        )
    kind = known[name]
    try:
        kind = kind.load() if hasattr(kind, "load") else kind
        found = kind(setting)
    except GenzooError:
        raise
    except Exception as error:  # somebody else's code
        raise GenzooError(f"the filter '{name}' cannot be loaded: {first_line(error)}") from error
    if not isinstance(found, Filter):
        raise GenzooError(f"the filter '{name}' is {type(found).__name__}; expected a Filter")
    return found
