"""Control codes: the special token that stands for a style before a text."""

import re

from tokenizers import Tokenizer

NAME = re.compile(r"[\w'.&()-]+( [\w'.&()-]+)*")  # words, which are shown as they are
LONGEST = 64  # characters of a name
_CODE = re.compile(r"<\|style:(.+)\|>")


def is_name(name: str) -> bool:
    """Say whether something can be the name of a style.

    Example:
        >>> is_name("DUKE VINCENTIO"), is_name("two\\nlines")
        (True, False)
    """
    return len(name) <= LONGEST and NAME.fullmatch(name) is not None


def code(style: str) -> str:
    """Return the special token of a style.

    Example:
        >>> code("ROMEO")
        '<|style:ROMEO|>'
    """
    return f"<|style:{style}|>"


def codes_of(tokenizer: Tokenizer) -> dict[str, int]:
    """Return the numbers of a tokenizer's codes by the names of their styles, in their order.

    Example:
        >>> from zoo.data.tokenizers import character_tokenizer
        >>> codes_of(character_tokenizer("abc", [code("ROMEO"), code("JULIET")]))
        {'ROMEO': 3, 'JULIET': 4}
    """
    added = sorted(tokenizer.get_added_tokens_decoder().items())
    found = ((_CODE.fullmatch(token.content), number) for number, token in added)
    return {match[1]: number for match, number in found if match and is_name(match[1])}
