"""Text that follows a JSON schema, a regular expression or a grammar, by the library `llguidance`.

Before each draw the library says which tokens may come next, so that the text so far can still
become a whole one; once it is whole, or may end, the end token is among them. Where only one text
can come next, as the name of a field, it is written in the tokens that the tokenizer gives it.

JSON is written as Python's `json.dumps` does, with one space after commas and colons, so that a
model cannot write spaces without end; `{"x-guidance": {"whitespace_flexible": true}}` in a schema
allows any. Schemas are those of https://json-schema.org as far as the library knows their words,
and the others are refused; grammars are in Lark's notation as it takes them. Give strings a
`maxLength` and numbers a range: a text of `max_new_tokens` ends wherever it is, in the middle of an
object too, with the reason `length`.

References:
    Willard and Louf 2023 (arXiv:2307.09702), on masks; Geng et al. 2025 (arXiv:2501.10868), on
    JSON schemas.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from serving.errors import GenzooError, UsageError
from serving.text.sampling_config import FOLLOWED, SamplingConfig
from serving.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from llguidance import LLMatcher

SPACED = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
KEPT = 16  # grammars of a model that are kept as they were made ready
DEAD_ENDS = ("NoExtension", "Parser Error: token ")  # what the library says of them, not of limits
WORD = 64  # tokens whose bits are looked at together


class Grammars:
    """What texts of one tokenizer can be made to follow.

    Args:
        tokenizer: of the model; any that tells the bytes of its tokens.
    """

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._vocabulary: Any = None  # of the library's own kind, once it is needed
        self._ready = lru_cache(KEPT)(self._made_ready)

    def constraint(self, config: SamplingConfig) -> Constraint | None:
        """Return what a new text follows; None where it may be anything.

        Raises:
            UsageError: the library does not understand it, or it begins with what the tokenizer
                cannot write.
            GenzooError: the library is not installed.
        """
        for kind in FOLLOWED:
            said = getattr(config, kind)
            if said is not None:
                text = _schema(said) if kind == "json_schema" else said
                return Constraint(self._ready(kind, text).deep_copy(), kind, self._tokenizer)
        return None

    def _made_ready(self, kind: str, text: str) -> LLMatcher:
        library = _library()
        if self._vocabulary is None:
            wrapped = library.TokenizerWrapper(_Vocabulary(self._tokenizer))
            ends = sorted(self._tokenizer.ends)
            self._vocabulary = library.LLTokenizer(wrapped, eos_token=ends)
        make = library.LLMatcher
        if kind == "json_schema":
            grammar = make.grammar_from_json_schema(text, defaults=SPACED)
        else:
            grammar = getattr(make, {"regex": "grammar_from_regex"}.get(kind, "grammar_from_lark"))(
                text
            )
        matcher: LLMatcher = make(self._vocabulary, grammar, log_level=0)
        if matcher.is_error():
            raise UsageError(f"{kind} cannot be followed: {_reason(matcher)}")
        begins = matcher.compute_ff_bytes().decode(errors="ignore")
        self._tokenizer.encode(begins, f"what {kind} begins with")
        Constraint(matcher.deep_copy(), kind, self._tokenizer).allowed()
        return matcher


class Constraint:
    """What one text may go on with.

    Args:
        matcher: of the library, for this text alone.
        kind: what it is called in errors.
        tokenizer: of the text.
    """

    def __init__(self, matcher: LLMatcher, kind: str, tokenizer: Tokenizer):
        self._matcher, self._kind, self._tokenizer = matcher, kind, tokenizer
        self._written: list[int] = []
        self._allowed: np.ndarray | None = None  # after what is written, once it is asked for
        self._forced: list[int] = []  # what comes next, as far as only one text can

    def allowed(self) -> np.ndarray:
        """Return the ids of the tokens that may come next, in rising order, `(C,)`, C > 0.

        Raises:
            UsageError: there are none.
        """
        if self._allowed is None:
            self._forced = self._forced or self._matcher.compute_ff_tokens()
            if self._forced:
                self._allowed = np.array(self._forced[:1])
            else:
                self._allowed = _numbers(self._matcher.compute_bitmask())
            if self._matcher.is_error() or not len(self._allowed):
                self._refuse()
        return self._allowed

    def take(self, token: int) -> None:
        """Go on with a token."""
        self._allowed, self._forced = None, self._forced[1:]
        if not self._matcher.consume_token(token):
            self._refuse()
        self._written.append(token)

    def _refuse(self) -> None:
        """Say why there is no going on: what was asked for does not go with this model."""
        after = self._tokenizer.decode(self._written)[-40:]
        where = f"after {after!r}" if after else "at the beginning"
        reason = _reason(self._matcher)
        if reason.startswith(DEAD_ENDS):
            raise UsageError(
                f"no token of this model goes on {where} as {self._kind} asks; take a model that "
                "knows the characters it needs, or one that needs others"
            )
        raise UsageError(f"{self._kind} cannot be followed {where}: {reason}; make it simpler")


class _Vocabulary:
    """A tokenizer as the library takes it."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self.eos_token_id, self.bos_token_id = tokenizer.eos, None
        self.tokens = [tokenizer.bytes_of(token) for token in range(tokenizer.size)]
        self._ids = {data: token for token, data in enumerate(self.tokens) if data}
        self._longest = max(map(len, self.tokens))

    def __call__(self, text: str) -> list[int]:
        """Return the tokens of what is the only text that can come next, as far as there are any.

        Raises:
            UsageError: it is no text but bytes, from which the library learns to give text.
        """
        try:
            ids = self._tokenizer.encode(text)
        except UsageError:  # a character that the tokenizer does not know
            if not isinstance(text, str):
                raise
            ids = []
        data = text.encode()
        return ids if b"".join(self.tokens[token] for token in ids) == data else self._spelt(data)

    def _spelt(self, data: bytes) -> list[int]:
        """Return the longest tokens that spell bytes, one after the other, as far as there are any.

        Some tokenizers put a space before a text, which would not be what comes next.
        """
        ids = []
        while data:
            ends = range(min(len(data), self._longest), 0, -1)
            token = next((self._ids[data[:end]] for end in ends if data[:end] in self._ids), None)
            if token is None:
                break
            ids.append(token)
            data = data[len(self.tokens[token]) :]
        return ids


def _library() -> Any:
    try:
        import llguidance
    except ImportError:
        raise GenzooError(
            "to follow a schema, a regular expression or a grammar takes the package llguidance: "
            "pip install 'genzoo[constraints]'"
        ) from None
    return llguidance


def _schema(said: Mapping[str, Any] | str) -> str:
    """Return the text of a JSON schema, the same for the same schema however it was given."""
    try:
        found = json.loads(said) if isinstance(said, str) else said
        if not isinstance(found, Mapping):
            raise UsageError("json_schema is no JSON object; expected one, as {'type': 'object'}")
        return json.dumps(found)
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageError(f"json_schema is no JSON: {error}") from None


def _reason(matcher: LLMatcher) -> str:
    """Return what the library says in many lines, in one: the first, and that of the error."""
    lines = [line.strip() for line in matcher.get_error().splitlines() if line.strip()]
    errors = [line for line in lines[1:] if line.startswith("error: ")]
    return " ".join([*lines[:1], *errors])[:300]


def _numbers(mask: bytes) -> np.ndarray:
    """Return the places of the bits that are set, in rising order.

    Example:
        >>> _numbers(bytes([0b101, 0, 0, 0, 1, 0, 0, 0]))
        array([ 0,  2, 32])
    """
    padded = mask + bytes(-len(mask) % (WORD // 8))
    words = np.frombuffer(padded, np.uint64)
    some = words.nonzero()[0]  # few, most of the time
    bits = np.unpackbits(words[some].view(np.uint8), bitorder="little").reshape(-1, WORD)
    rows, columns = bits.nonzero()
    return np.asarray(some[rows] * WORD + columns)
