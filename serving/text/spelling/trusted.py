"""A `tokenizer.json` of somebody else's, read only as far as its parts are known to be harmless.

The format can express regular expressions that take for ever, replacements that make gigabytes of a
letter, and much that makes the library stop by other means than errors. Allowed are byte-pair
encodings with the parts that this project and well-known checkpoints write. What the library is
given is written anew from what was checked, so that both read the same.
"""

from typing import Annotated, Any, Literal

import tokenizers
from pydantic import Field, ValidationError, field_validator, model_validator

from serving.bundle.records import Record
from serving.bundle.refusal import plain
from serving.errors import GenzooError
from serving.text.spelling.patterns import KNOWN

MOST_TOKENS, MOST_MERGES = 2**19, 2**20

Character = Annotated[str, Field(min_length=1, max_length=1)]
Few = Annotated[str, Field(min_length=1, max_length=8)]
Token = Annotated[str, Field(min_length=1, max_length=512)]
Id = Annotated[int, Field(ge=0, lt=2 * MOST_TOKENS)]


def read(data: bytes) -> tokenizers.Tokenizer:
    """Read the content of `tokenizer.json`.

    Raises:
        GenzooError: it cannot be read, or has parts that are not allowed.

    Example:
        >>> read(b"{}")
        Traceback (most recent call last):
        serving.errors.GenzooError: the tokenizer cannot be read: version: Field required
    """
    return built(checked(data))


def checked(data: bytes) -> "File":
    """Return what `tokenizer.json` says, of parts that are allowed.

    Raises:
        GenzooError: it cannot be read, or has other parts.
    """
    try:
        return File.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = plain(".".join(map(str, first["loc"])))
        reason = first["msg"].splitlines()[0][:200]
        raise GenzooError(f"the tokenizer cannot be read: {where}: {reason}") from None


def built(file: "File") -> tokenizers.Tokenizer:
    """Return the tokenizer that a file describes, each token with the number that it has there.

    Raises:
        GenzooError: the library cannot make it, or numbers tokens otherwise.
    """
    try:
        tokenizer = tokenizers.Tokenizer.from_str(file.model_dump_json(exclude_unset=True))
        tokenizer.encode("a")
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the library is no Exception
        reason = plain(str(error), 200)
        raise GenzooError(f"the tokenizer cannot be read: {reason}") from None
    for token in file.added_tokens:
        found = tokenizer.token_to_id(token.content)
        if found != token.id:
            raise GenzooError(
                f"the tokenizer cannot be read: {plain(token.content)} is number {found}, and "
                f"{token.id} in the list of added tokens"
            )
    return tokenizer


# --- what is done to a text before it is split ---


class Normal(Record):
    """A Unicode normal form."""

    type: Literal["NFC", "NFKC", "NFD", "NFKD"]


class Prepend(Record):
    """A few characters before the text."""

    type: Literal["Prepend"]
    prepend: Few


class Words(Record):
    """A pattern that is found as it is written."""

    String: Few


class Replace(Record):
    """Characters in place of as many others or more, so that no text grows."""

    type: Literal["Replace"]
    pattern: Words
    content: Annotated[str, Field(max_length=8)]

    @model_validator(mode="after")
    def _grows_nothing(self) -> "Replace":
        if len(self.content) > len(self.pattern.String):
            raise ValueError("it makes texts longer")
        return self


Normalizer = Annotated[Normal | Prepend | Replace, Field(discriminator="type")]


class Normalizers(Record):
    """One after the other."""

    type: Literal["Sequence"]
    normalizers: Annotated[list[Normalizer], Field(max_length=8)]


# --- how it is split ---


class ByteLevel(Record):
    """A stand-in for each byte, as GPT-2 defined it."""

    type: Literal["ByteLevel"]
    add_prefix_space: bool = False
    trim_offsets: bool = True
    use_regex: bool = True


class Digits(Record):
    """Digits apart from letters."""

    type: Literal["Digits"]
    individual_digits: bool


class Metaspace(Record):
    """A character for each space, as SentencePiece does."""

    type: Literal["Metaspace"]
    replacement: Character
    prepend_scheme: Literal["always", "never", "first"] = "always"
    split: bool = True
    add_prefix_space: bool = True
    str_rep: Any = Field(default=None, exclude=True)  # the replacement again, in old files


class Known(Record):
    """A regular expression of which it is known that it takes no long time."""

    Regex: str

    @field_validator("Regex")
    @classmethod
    def _is_known(cls, pattern: str) -> str:
        if pattern not in KNOWN:
            raise ValueError("the regular expression is none of the known ones")
        return pattern


class Split(Record):
    """Wherever a pattern is found."""

    type: Literal["Split"]
    pattern: Words | Known
    behavior: Literal["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
    invert: bool


PreTokenizer = Annotated[ByteLevel | Digits | Metaspace | Split, Field(discriminator="type")]


class PreTokenizers(Record):
    """One after the other."""

    type: Literal["Sequence"]
    pretokenizers: Annotated[list[PreTokenizer], Field(max_length=8)]


# --- what is made of the tokens, and of them a text ---


class Place(Record):
    """Where one of two texts goes, or which special token is put beside it."""

    id: Token
    type_id: Annotated[int, Field(ge=0, le=1)]


class TextPiece(Record):
    """A text."""

    Sequence: Place


class SpecialPiece(Record):
    """A special token."""

    SpecialToken: Place


class Special(Record):
    """The tokens that a special one stands for."""

    id: Token
    ids: Annotated[list[Id], Field(max_length=4)]
    tokens: Annotated[list[Token], Field(max_length=4)]


Pieces = Annotated[list[TextPiece | SpecialPiece], Field(max_length=8)]


class Template(Record):
    """Special tokens around texts."""

    type: Literal["TemplateProcessing"]
    single: Pieces
    pair: Pieces
    special_tokens: Annotated[dict[Token, Special], Field(max_length=8)]

    @property
    def before(self) -> list[int]:
        """The tokens before a single text."""
        first = next(at for at, piece in enumerate(self.single) if isinstance(piece, TextPiece))
        put = [piece for piece in self.single[:first] if isinstance(piece, SpecialPiece)]
        return [id for piece in put for id in self.special_tokens[piece.SpecialToken.id].ids]

    @model_validator(mode="after")
    def _names_what_there_is(self) -> "Template":
        for pieces, texts in ((self.single, ["A"]), (self.pair, ["A", "B"])):
            found = [piece.Sequence.id for piece in pieces if isinstance(piece, TextPiece)]
            put = [piece.SpecialToken.id for piece in pieces if isinstance(piece, SpecialPiece)]
            if sorted(found) != texts or not set(put) <= self.special_tokens.keys():
                raise ValueError("it names texts or tokens that there are not")
        return self


PostProcessor = Annotated[ByteLevel | Template, Field(discriminator="type")]


class PostProcessors(Record):
    """One after the other."""

    type: Literal["Sequence"]
    processors: Annotated[list[PostProcessor], Field(max_length=4)]


class Plain(Record):
    """Bytes of tokens that stand for bytes, or all tokens as one."""

    type: Literal["ByteFallback", "Fuse"]


class Strip(Record):
    """A few characters off the ends."""

    type: Literal["Strip"]
    content: Character
    start: Annotated[int, Field(ge=0, le=8)]
    stop: Annotated[int, Field(ge=0, le=8)]


Decoder = Annotated[ByteLevel | Metaspace | Plain | Replace | Strip, Field(discriminator="type")]


class Decoders(Record):
    """One after the other."""

    type: Literal["Sequence"]
    decoders: Annotated[list[Decoder], Field(max_length=8)]


# --- the tokens ---


class BPE(Record):
    """Tokens, and which are put together to one."""

    type: Literal["BPE"]
    dropout: None = None
    unk_token: Token | None = None
    continuing_subword_prefix: Literal[""] | None = None
    end_of_word_suffix: Literal[""] | None = None
    fuse_unk: bool = False
    byte_fallback: bool = False
    ignore_merges: bool = False
    vocab: Annotated[dict[Token, Id], Field(max_length=MOST_TOKENS)]
    merges: Annotated[
        list[Annotated[list[Token], Field(min_length=2, max_length=2)]]
        | list[Annotated[str, Field(max_length=1025)]],
        Field(max_length=MOST_MERGES),
    ]

    @model_validator(mode="before")
    @classmethod
    def _as_it_is_written_now(cls, values: Any) -> Any:
        """Old files name no kind, there being one, and have an empty token for none."""
        if not isinstance(values, dict):
            return values
        return {"type": "BPE"} | values | {"unk_token": values.get("unk_token") or None}


class AddedToken(Record):
    """A token that is found before a text is split."""

    id: Id
    content: Token
    single_word: bool
    lstrip: bool
    rstrip: bool
    normalized: bool
    special: bool


class File(Record):
    """The content of `tokenizer.json`."""

    version: Literal["1.0"]
    truncation: Any = Field(default=None, exclude=True)  # is for batches, which are not made here
    padding: Any = Field(default=None, exclude=True)
    added_tokens: Annotated[list[AddedToken], Field(max_length=2**14)]
    normalizer: Annotated[Normalizer | Normalizers, Field(discriminator="type")] | None
    pre_tokenizer: Annotated[PreTokenizer | PreTokenizers, Field(discriminator="type")] | None
    post_processor: Annotated[PostProcessor | PostProcessors, Field(discriminator="type")] | None
    decoder: Annotated[Decoder | Decoders, Field(discriminator="type")] | None
    model: BPE

    @model_validator(mode="after")
    def _numbers_each_token_once(self) -> "File":
        ids = {token.content: token.id for token in self.added_tokens}
        ids |= self.model.vocab
        if len({*ids.values()}) < len(ids):
            raise ValueError("two tokens have the same number")
        return self
