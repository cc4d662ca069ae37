"""Markdown of model cards, in which no text from outside can do harm."""

import re
from collections.abc import Iterable, Sequence


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, on one line, in a table too."""
    return re.sub(r"([\\`*_{}\[\]<>#|~!&])", r"\\\1", " ".join(str(text).split()))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; its cells are Markdown.

    Example:
        >>> table(["a", "b"], [["1", "2"]])
        '| a | b |\\n| --- | --- |\\n| 1 | 2 |\\n'
    """
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
