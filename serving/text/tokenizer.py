"""The tokenizer of a bundle, and text that arrives token by token."""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tokenizers

from serving.bundle.refusal import plain
from serving.errors import GenzooError, UsageError
from serving.numbers import shown
from serving.text.spelling import trusted
from serving.text.spelling.special import SpecialText
from serving.text.spelling.spelling import Spelling
from serving.text.spelling.stream import TextStream

SPECIAL = {"pad": "<|pad|>", "bos": "<|bos|>", "eos": "<|eos|>"}


class Tokenizer:
    """A tokenizer in the Hugging Face format: byte-level, or derived from SentencePiece.

    Args:
        data: the content of `tokenizer.json`.
        ends: tokens that end a text; the zoo's `<|eos|>` unless given.
        begin: tokens that are put before a text; those that the file puts there unless given.
        limit: tokens that the model has, some of which the tokenizer may know nothing of; as many
            as the tokenizer has unless given.
        styles: the code of each style by its name: a special token that is put before a text, and
            never drawn.

    Attributes:
        size: number of ids that can be drawn: one more than the last that stands for something.
        whole: whether the model has as many, and each stands for something that can be drawn.
        ends, begin, styles: as said.
        eos: the first of `ends`.
        pad, bos: ids of the zoo's special tokens; None of tokenizers of others.
        bytes_of: takes the id of a token and returns the bytes that it stands for; none for a
            special token.

    Raises:
        GenzooError: the content is no such tokenizer, or not of a model of that size.
    """

    def __init__(
        self,
        data: bytes,
        *,
        ends: Sequence[int] | None = None,
        begin: Sequence[int] | None = None,
        limit: int | None = None,
        styles: Mapping[str, int] | None = None,
    ):
        file = trusted.checked(data)
        self._tokenizer = trusted.built(file)
        self._tokenizer.encode_special_tokens = True  # what looks like one is plain text
        vocabulary = self._tokenizer.get_vocab()
        self._spelling = Spelling(file, _as_decoded(self._tokenizer, vocabulary, file.added_tokens))
        self.bytes_of = self._spelling.bytes.__getitem__  # asked of every token, and so no method
        _check_size(file.model.vocab, limit)
        known = np.zeros(len(self._spelling.bytes), bool)
        known[[*vocabulary.values()]] = True
        self.size = 1 + int(np.flatnonzero(known[:limit])[-1])
        self.styles = dict(styles or {})
        for style, number in self.styles.items():
            if number >= self.size or not known[number] or self.bytes_of(number):
                raise GenzooError(
                    f"the tokenizer has no special token {number}, for style '{style}'"
                )
        drawn = known[: self.size].copy()
        drawn[[*self.styles.values()]] = False
        self._holes = np.flatnonzero(~drawn)
        self.whole = self.size == (limit or len(known)) and not len(self._holes)
        self.pad, self.bos = (vocabulary.get(SPECIAL[name]) for name in ("pad", "bos"))
        self.ends = frozenset(_zoo_ends(vocabulary) if ends is None else ends)
        self.eos = min(self.ends) if ends is None else ends[0]
        self.begin = tuple(_put_before(file.post_processor) if begin is None else begin)
        for number in (*self.ends, *self.begin):
            if number >= self.size or not known[number]:
                raise GenzooError(f"the tokenizer has no token {number}, to end a text or begin it")
        self._characters = _characters(self._spelling.bytes, vocabulary)
        self._special = SpecialText(self._tokenizer, file.added_tokens)

    def encode(self, text: str, what: str = "the prompt") -> list[int]:
        """Return the tokens of a text, without those that are put before one.

        Raises:
            UsageError: it is no text, or has a character that the model does not know.
        """
        self._check_text(text, what)
        return self._known(self._tokenizer.encode(text, add_special_tokens=False).ids, what)

    def code_of(self, style: str) -> int:
        """Return the token that stands for a style.

        Raises:
            UsageError: the model has no such style.
        """
        if not self.styles:
            raise UsageError("this model has no styles; leave style out")
        if style not in self.styles:
            known = ", ".join(self.styles)
            raise UsageError(f"style is {shown(style)}; expected one of {known}")
        return self.styles[style]

    def quoted(self, text: str, what: str = "the conversation") -> str:
        """Return a text as a part of one that `encode_special` takes, of which nothing is special.

        Raises:
            UsageError: it is no text.
        """
        _check_whole(text, what)
        return self._special.quoted(text)

    def encode_special(self, text: str, what: str = "the prompt") -> list[int]:
        """Return the tokens of a text with special ones, as a chat template writes it.

        Raises:
            UsageError: as `encode`.
        """
        _check_whole(text, what)
        self._check_text(self._special.plain(text), what)
        written = self._special.written(text)
        ids = self._tokenizer.encode(written, add_special_tokens=False).ids
        return self._known([self._special.meant.get(number, number) for number in ids], what)

    def _check_text(self, text: str, what: str) -> None:
        _check_whole(text, what)
        if self._characters is not None:
            unknown = [part for part in dict.fromkeys(text) if not self._knows(part)]
            if unknown:
                shown = ", ".join(map(repr, unknown[:8]))
                more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
                raise UsageError(
                    f"{what} has characters that this model does not know: {shown}{more}; "
                    "leave them out"
                )

    def _known(self, ids: list[int], what: str) -> list[int]:
        """Refuse tokens that were added to the tokenizer and not to the model."""
        if ids and max(ids) >= self.size:
            token = self._tokenizer.id_to_token(max(ids))
            raise UsageError(
                f"{what} has {token!r}, of which the model knows nothing; leave it out"
            )
        return ids

    def _knows(self, character: str) -> bool:
        return self._characters is None or character.encode() in self._characters

    def decode(self, ids: Iterable[int], after: bool = False) -> str:
        """Return the text of tokens; bytes that are no UTF-8 come out as U+FFFD.

        Args:
            ids: the tokens.
            after: whether a text comes before them.
        """
        stream = self.stream(after)
        return "".join(map(stream.push, ids)) + stream.end()

    def stream(self, after: bool = False) -> TextStream:
        """Return what makes text of tokens as they come; `after` as `decode` has it."""
        return TextStream(self._spelling, after)

    def drawable(self, logits: np.ndarray) -> np.ndarray:
        """Return the logits `(..., size)` of ids that can be drawn; of others they are -inf.

        Args:
            logits: `(..., V)`, V being the number of tokens that the model has.
        """
        logits = logits[..., : self.size]
        if len(self._holes):
            logits = logits.copy()
            logits[..., self._holes] = -np.inf
        return logits

    @property
    def beginning(self) -> str:
        """What a text begins with where nobody says: nothing if tokens are put before it anyway.

        Or else a new line, or the first character known.
        """
        if self.begin:
            return ""
        if self._characters is None or self._knows("\n"):
            return "\n"
        whole = (data.decode(errors="ignore") for data in self._spelling.bytes)
        return next(text for text in whole if text)


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


def _check_whole(text: str, what: str) -> None:
    if not isinstance(text, str):
        raise UsageError(f"{what} is {type(text).__name__}; expected a string")
    if lone := re.search("[\ud800-\udfff]", text):
        raise UsageError(f"{what} has half of a surrogate pair, {lone[0]!r}; take it out")


def _as_decoded(
    tokenizer: tokenizers.Tokenizer,
    vocabulary: Mapping[str, int],
    added: Sequence[trusted.AddedToken],
) -> dict[str, int]:
    """Return the numbers of tokens by what is decoded: added ones may be normalised before."""
    words = {token.content: token.id for token in added if not token.special}
    names = {str(tokenizer.id_to_token(number)): number for number in words.values()}
    return {token: at for token, at in vocabulary.items() if token not in words} | names


def _zoo_ends(vocabulary: Mapping[str, int]) -> list[int]:
    if SPECIAL["eos"] not in vocabulary:
        raise GenzooError(
            f"the tokenizer has no {SPECIAL['eos']}, and nobody says which tokens end a text"
        )
    return [vocabulary[SPECIAL["eos"]]]


def _check_size(vocabulary: Mapping[str, int], limit: int | None) -> None:
    """Refuse a tokenizer without tokens, or with more than the model has.

    Of those that were added, the model may know nothing.
    """
    last = max(vocabulary, key=vocabulary.__getitem__, default=None)
    if last is None:
        raise GenzooError("the tokenizer has no tokens")
    if limit is not None and vocabulary[last] >= limit:
        raise GenzooError(
            f"the tokenizer has more tokens than the model, which has {limit}: {plain(last)} is "
            f"number {vocabulary[last]}"
        )


def _put_before(processor: trusted.PostProcessor | trusted.PostProcessors | None) -> list[int]:
    """Return the tokens that a file puts before every text."""
    parts = processor.processors if isinstance(processor, trusted.PostProcessors) else [processor]
    before: list[int] = []
    for each in parts:
        if isinstance(each, trusted.Template):
            before = [*each.before, *before]  # the later ones are put around the earlier
    return before


def _characters(written: Sequence[bytes], vocabulary: Mapping[str, int]) -> set[bytes] | None:
    """Return the characters that a tokenizer of ours knows one by one, or None.

    It does without a token for every byte. Those of others leave out, or call unknown, what they
    have no token for.
    """
    if not {*SPECIAL.values()} <= vocabulary.keys():
        return None
    whole = {data for data in written if len(data) == 1}
    return None if len(whole) == 256 else {*written}
