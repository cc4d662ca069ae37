"""The tokenizer of a bundle, and text that arrives token by token."""

import codecs
import re
from collections.abc import Iterable, Sequence

from serving.errors import GenzooError, UsageError
from serving.numbers import shown
from serving.text import trusted

SPECIAL = {"pad": "<|pad|>", "bos": "<|bos|>", "eos": "<|eos|>"}


class Tokenizer:
    """A byte-level tokenizer in the Hugging Face format, with the zoo's special tokens.

    Args:
        data: the content of `tokenizer.json`.
        ends: tokens that end a text; `<|eos|>` unless given.
        limit: tokens that the model has, if that is known.

    Attributes:
        size: number of tokens.
        ends: the tokens that end a text, of which `eos` is the first.
        pad, bos, eos: ids of the special tokens.
        bytes_of: takes the id of a token and returns the bytes that it stands for; none for a
            special token.

    Raises:
        GenzooError: the content is no such tokenizer.
    """

    def __init__(self, data: bytes, *, ends: Sequence[int] | None = None, limit: int | None = None):
        self._tokenizer = trusted.read(data)
        self._tokenizer.encode_special_tokens = True  # what looks like one is plain text
        vocabulary = self._tokenizer.get_vocab()
        missing = [token for token in SPECIAL.values() if token not in vocabulary]
        if missing:
            raise GenzooError(f"the tokenizer has no {missing[0]}; it is none of the zoo's")
        self.pad, self.bos, self.eos = (vocabulary[token] for token in SPECIAL.values())
        self.size = len(vocabulary)
        if limit is not None and self.size > limit:
            raise GenzooError(f"the tokenizer has {self.size} tokens, and the model {limit}")
        self.ends = frozenset([self.eos] if ends is None else ends)
        self.eos = self.eos if ends is None else ends[0]
        self._bytes = _bytes_of_tokens(vocabulary)
        self.bytes_of = self._bytes.__getitem__  # asked of every token, and so no method
        single = {data for data in self._bytes.values() if len(data) == 1}
        # Without a token for every byte, characters are known one by one.
        self._characters = None if len(single) == 256 else set(self._bytes.values())

    def encode(self, text: str, what: str = "the prompt") -> list[int]:
        """Return the tokens of a text.

        Raises:
            UsageError: it is no text, or has a character that the model does not know.
        """
        if not isinstance(text, str):
            raise UsageError(f"{what} is {type(text).__name__}; expected a string")
        if lone := re.search("[\ud800-\udfff]", text):
            raise UsageError(f"{what} has half of a surrogate pair, {lone[0]!r}; take it out")
        if self._characters is not None:
            unknown = [part for part in dict.fromkeys(text) if not self._knows(part)]
            if unknown:
                shown = ", ".join(map(repr, unknown[:8]))
                more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
                raise UsageError(
                    f"{what} has characters that this model does not know: {shown}{more}; "
                    "leave them out"
                )
        return self._tokenizer.encode(text).ids

    def _knows(self, character: str) -> bool:
        return self._characters is None or character.encode() in self._characters

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of tokens; bytes that are no UTF-8 come out as U+FFFD."""
        return b"".join(map(self.bytes_of, ids)).decode("utf-8", errors="replace")

    @property
    def beginning(self) -> str:
        """What a text begins with where nobody says: a new line, or the first character known."""
        if self._characters is None or self._knows("\n"):
            return "\n"
        whole = (data.decode(errors="ignore") for _, data in sorted(self._bytes.items()))
        return next(text for text in whole if text)


class Utf8Stream:
    """Text from tokens as they come, never cut within a UTF-8 character.

    Attributes:
        push: takes bytes, and returns the text that is complete now that they have come.

    Example:
        >>> stream = Utf8Stream()
        >>> [stream.push(part) for part in (b"caf", bytes([0xC3]), bytes([0xA9]))]
        ['caf', '', 'é']
        >>> stream.push(bytes([0xC3])) + stream.end()
        '�'
    """

    def __init__(self) -> None:
        self.push = codecs.getincrementaldecoder("utf-8")(errors="replace").decode

    def end(self) -> str:
        """Return what is left at the end: nothing, or U+FFFD for a character cut short."""
        return self.push(b"", final=True)


class StopStrings:
    """Text up to the first of some strings; what may be the beginning of one is held back.

    The first is the one that is complete first, read letter by letter, and the longest of those
    that end at the same letter. So it does not matter in which pieces the text comes.

    Args:
        strings: none of them empty.

    Attributes:
        found: the string that was met, or None.

    Raises:
        UsageError: an empty string, or none.

    Example:
        >>> text = StopStrings(["END"])
        >>> [text.push(part) for part in ("the E", "agle. E", "ND and more")]
        ['the ', 'Eagle. ', '']
        >>> text.found
        'END'
    """

    def __init__(self, strings: Sequence[str]):
        for string in strings:
            if not isinstance(string, str) or not string:
                raise UsageError(
                    f"a stop string is {shown(string)}; expected text of one character up"
                )
        self._strings = tuple(strings)
        self._held = ""
        self.found: str | None = None

    def push(self, piece: str) -> str:
        """Return what of the text so far is safe to show and was not shown yet."""
        if not self._strings:
            return piece
        if self.found is not None:
            return ""
        text = self._held + piece
        begins = [(text.find(string), string) for string in self._strings if string in text]
        if begins:
            _, begin, self.found = min(
                (begin + len(string), begin, string) for begin, string in begins
            )
            self._held = ""
            return text[:begin]
        held = max((_overlap(text, string) for string in self._strings), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def end(self) -> str:
        """Return what was held back and turned out to be no stop string."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, string: str) -> int:
    """Return the length of the longest end of `text` that `string` begins with."""
    longest = min(len(text), len(string) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(string[:size])), 0)


def _bytes_of_tokens(vocabulary: dict[str, int]) -> dict[int, bytes]:
    symbols, special = _bytes_of_symbols(), SPECIAL.values()
    try:
        return {
            index: b"" if token in special else bytes(symbols[symbol] for symbol in token)
            for token, index in vocabulary.items()
        }
    except KeyError as error:
        raise GenzooError(
            f"the tokenizer is not byte-level, since it has {error}; it is none of the zoo's"
        ) from None


def _bytes_of_symbols() -> dict[str, int]:
    """Return the byte that each of the 256 printable stand-ins of byte-level BPE is for.

    Printable bytes of Latin-1 stand for themselves, the others are numbered on from U+0100, as
    GPT-2 defined it.
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    symbols = {chr(byte): byte for byte in printable}
    symbols |= {chr(0x100 + index): byte for index, byte in enumerate(others)}
    return symbols
