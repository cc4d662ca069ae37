"""Tokenizers in the words of GGUF: tokens, merges, and the name of how text is cut into words."""

import json
from dataclasses import dataclass
from typing import Any

from export.errors import ExportError

# How `tokenizer.json` says that text is cut, and what llama.cpp calls that.
_GPT2 = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}
_DIGITS = {"type": "Digits", "individual_digits": True}
CUTS: tuple[tuple[dict[str, Any], str], ...] = (
    (_GPT2, "gpt-2"),
    ({"type": "Sequence", "pretokenizers": [_DIGITS, _GPT2]}, "smollm"),
)
# What changes the tokens and GGUF has no words for.
_PLAIN_MODEL = ("unk_token", "dropout", "continuing_subword_prefix", "end_of_word_suffix")
_FLAGS = ("byte_fallback", "ignore_merges")


@dataclass(frozen=True)
class Vocabulary:
    """What a GGUF file holds of a tokenizer.

    Attributes:
        cut: the name of how text is cut into words.
        tokens: in the order of their ids, bytes written as byte-level BPE writes them.
        special: those that text never gives.
        merges: two tokens each, with a space between.
    """

    cut: str
    tokens: tuple[str, ...]
    special: frozenset[str]
    merges: tuple[str, ...]


def vocabulary_of(tokenizer: bytes) -> Vocabulary:
    """Read a byte-level BPE tokenizer.

    Args:
        tokenizer: the content of `tokenizer.json`.

    Raises:
        ExportError: GGUF cannot say what it does, or it is none.

    Example:
        >>> from zoo.data.tokenizers import character_tokenizer
        >>> found = vocabulary_of(character_tokenizer("abc").to_str().encode())
        >>> found.cut, found.tokens[3:], found.merges
        ('gpt-2', ('a', 'b', 'c'), ())
    """
    try:
        document = json.loads(tokenizer)
        model, added = document["model"], document.get("added_tokens") or []
        return Vocabulary(
            cut=_cut(document, model),
            tokens=_tokens(model["vocab"] | {each["content"]: each["id"] for each in added}),
            special=frozenset(each["content"] for each in added if each["special"]),
            merges=tuple(" ".join(_pair(merge)) for merge in model["merges"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExportError(f"the tokenizer is not byte-level BPE ({error!r})") from None


def why_not(tokenizer: bytes) -> str:
    """Say why GGUF cannot hold a tokenizer; nothing where it can."""
    try:
        vocabulary_of(tokenizer)
    except ExportError as error:
        return str(error)
    return ""


def _cut(document: dict[str, Any], model: dict[str, Any]) -> str:
    if model["type"] != "BPE":
        raise ExportError(f"GGUF knows byte-level BPE here, and the tokenizer is {model['type']}")
    for key in (*_PLAIN_MODEL, *_FLAGS):
        if model.get(key):
            raise ExportError(f"GGUF cannot say {key} {model[key]!r} of the tokenizer")
    if document.get("normalizer"):
        raise ExportError("GGUF cannot say how the tokenizer normalises text")
    if (document.get("post_processor") or {}).get("type", "ByteLevel") != "ByteLevel":
        raise ExportError("GGUF cannot say what the tokenizer adds to each text")
    found = _relevant(document["pre_tokenizer"])
    names = [name for cut, name in CUTS if cut == found]
    if not names:
        raise ExportError("llama.cpp has no name for how the tokenizer cuts text into words")
    return names[0]


def _relevant(cut: Any) -> Any:
    """Leave out what changes the places of tokens, and not the tokens."""
    if isinstance(cut, dict):
        return {key: _relevant(each) for key, each in cut.items() if key != "trim_offsets"}
    return [_relevant(each) for each in cut] if isinstance(cut, list) else cut


def _tokens(ids: dict[str, int]) -> tuple[str, ...]:
    if sorted(ids.values()) != list(range(len(ids))):
        raise ExportError("GGUF numbers tokens without a gap, and the tokenizer has one")
    return tuple(sorted(ids, key=lambda token: ids[token]))


def _pair(merge: str | list[str]) -> list[str]:
    return merge.split(" ") if isinstance(merge, str) else merge
