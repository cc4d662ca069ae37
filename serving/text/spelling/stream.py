"""Text that arrives token by token."""

import codecs

from serving.text.spelling.spelling import Spelling


class TextStream:
    """Text from tokens as they come, never cut within a character.

    Bytes that are no UTF-8 come out as U+FFFD.

    Args:
        spelling: of the tokenizer.
        after: whether a text comes before, so that a space at the beginning is one.

    Example:
        >>> from zoo.data.tokenizers import bpe_tokenizer
        >>> from serving.text.spelling import trusted
        >>> tokenizer = bpe_tokenizer([], 259)
        >>> spelling = Spelling(trusted.checked(tokenizer.to_str().encode()), tokenizer.get_vocab())
        >>> stream = TextStream(spelling)
        >>> [stream.push(token) for token in tokenizer.encode("café").ids]
        ['c', 'a', 'f', '', 'é']
    """

    def __init__(self, spelling: Spelling, after: bool = False):
        self._spelling, self._bytes = spelling, spelling.bytes
        self._decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
        self._first = not after and bool(spelling.first)
        self._times = 0 if after else spelling.times

    def push(self, token: int) -> str:
        """Return the text that is complete now that a token has come."""
        data = self._bytes[token]
        if data and (self._first or self._times):
            data = self._begun(token, data)
        return self._decode(data)

    def _begun(self, token: int, data: bytes) -> bytes:
        """Return what a token adds to a text that has hardly begun."""
        if self._first:
            self._first = False
            data = self._spelling.first.get(token, data)
        while self._times and data.startswith(self._spelling.lost):
            data, self._times = data[len(self._spelling.lost) :], self._times - 1
        if data:
            self._times = 0
        return data

    def end(self) -> str:
        """Return what is left at the end: nothing, or U+FFFD for a character cut short."""
        return self._decode(b"", final=True)
