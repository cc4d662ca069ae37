"""How text enters and leaves the graph of a Transformer."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Literal, Protocol

from pydantic import Field

from serving.bundle.manifest import Manifest
from serving.bundle.records import BundleError, Record, Word
from serving.errors import GenzooError
from serving.text.chat import Chat
from serving.text.tokenizer import Tokenizer

MOST_TOKENS = 2**20
REMEDY = "fetch or export the bundle again"
Id = Annotated[int, Field(ge=0, lt=MOST_TOKENS)]
Size = Annotated[int, Field(gt=0, le=MOST_TOKENS)]
Special = Annotated[str, Field(min_length=1, max_length=512)]
# Words, which are shown as they are.
Style = Annotated[str, Field(max_length=64, pattern=r"^[\w'.&()-]+( [\w'.&()-]+)*$")]


class TextProcessing(Record):
    """How text enters and leaves a graph: by a tokenizer, and with random numbers of the host.

    A token is drawn where one number of the stream falls in the cumulated probabilities, in the
    order of the ids.

    Attributes:
        vocabulary_size: of the graph's logits.
        context: most tokens that it sees at once.
        tokens: ids from here on belong to no token, and are never drawn; as many as the logits
            unless said.
        begin_tokens: are put before a text, but not before what a chat template writes; unless
            said those that the tokenizer's post-processor puts there.
        end_tokens: each of which ends a text; `<|eos|>` unless said.
        chat: special tokens by the names that the chat template has for them (`bos_token`,
            `eos_token`); None of a model without a template.
        styles: the tokens that are put before a text, each for the style that it is to be written
            in, by their names; None of a model without styles.
    """

    vocabulary_size: Size
    context: Annotated[int, Field(gt=0, le=2**20)]
    noise: Literal["numpy.random.RandomState(seed).random_sample"] = (
        "numpy.random.RandomState(seed).random_sample"
    )
    tokens: Size | None = None
    begin_tokens: Annotated[list[Id], Field(max_length=8)] | None = None
    end_tokens: Annotated[list[Id], Field(min_length=1, max_length=64)] | None = None
    chat: Annotated[dict[Word, Special], Field(max_length=16)] | None = None
    styles: Annotated[dict[Style, Id], Field(min_length=1, max_length=256)] | None = None


class Numbered(Protocol):
    """What is known of the tokens of a model; see `TextProcessing`."""

    @property
    def vocabulary_size(self) -> int: ...
    @property
    def tokens(self) -> int | None: ...
    @property
    def begin_tokens(self) -> list[int] | None: ...
    @property
    def end_tokens(self) -> list[int] | None: ...


def read_tokenizer(
    manifest: Manifest,
    assets: dict[str, bytes],
    processing: Numbered,
    styles: Mapping[str, int] | None = None,
) -> Tokenizer:
    """Read a bundle's tokenizer.

    Args:
        manifest, assets: of the bundle.
        processing: what it says of its tokens.
        styles: and of the codes of styles.

    Raises:
        BundleError: it is missing, unreadable, or not of the model's size.
    """
    if "tokenizer" not in assets:
        raise BundleError(f"{manifest.name} has no tokenizer; {REMEDY}")
    where = f"{manifest.assets['tokenizer']} of {manifest.name}"
    try:
        special = (_several(ids) for ids in (processing.end_tokens, processing.begin_tokens))
        codes = tuple((styles or {}).items())
        tokenizer = _tokenizer(assets["tokenizer"], *special, processing.vocabulary_size, codes)
    except GenzooError as error:
        raise BundleError(f"{where}: {error}; {REMEDY}") from None
    expected = processing.tokens or processing.vocabulary_size
    if tokenizer.size != expected:
        raise BundleError(f"{where} has {tokenizer.size} tokens and the model {expected}; {REMEDY}")
    return tokenizer


def _several(ids: list[int] | None) -> tuple[int, ...] | None:
    return None if ids is None else tuple(ids)


@lru_cache(maxsize=1)  # it is asked for when a bundle is checked, and again when it is loaded
def _tokenizer(
    data: bytes,
    ends: tuple[int, ...] | None,
    begin: tuple[int, ...] | None,
    limit: int,
    codes: tuple[tuple[str, int], ...],
) -> Tokenizer:
    return Tokenizer(data, ends=ends, begin=begin, limit=limit, styles=dict(codes))


def read_chat(
    manifest: Manifest, assets: dict[str, bytes], processing: TextProcessing, tokenizer: Tokenizer
) -> Chat | None:
    """Read a bundle's chat template; None where it has none.

    Raises:
        BundleError: it is missing or unreadable, or nobody says which special tokens it knows.
    """
    if ("chat_template" in assets) != (processing.chat is not None):
        raise BundleError(
            f"{manifest.name} has a chat template or processing.chat, and not both; {REMEDY}"
        )
    if processing.chat is None:
        return None
    where = f"{manifest.assets['chat_template']} of {manifest.name}"
    try:
        return Chat(assets["chat_template"].decode("utf-8"), processing.chat, tokenizer)
    except UnicodeDecodeError:
        raise BundleError(f"{where} is not UTF-8; {REMEDY}") from None
    except GenzooError as error:
        raise BundleError(f"{where}: {error}; {REMEDY}") from None
