"""The tokenizer of a GGUF file, as the `tokenizer.json` that it was made from.

A GGUF file has the tokens, their kinds, and how they are put together: by merges in byte-level
tokenizers (`gpt2`), by scores in those of SentencePiece (`llama`). How texts are split before that
it only names. What each name stands for is what llama.cpp does at that name; where its source
quotes the expression that it rewrote for its own engine, it is the quoted one.

Reference:
    https://github.com/ggml-org/llama.cpp, `src/llama-vocab.cpp`; merges of scores as
    `transformers.tokenization_utils_base.generate_merges` has them.
"""

import json
from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple

from serving.bundle.refusal import plain
from serving.errors import GenzooError, nearest
from serving.text.spelling import patterns, trusted

SPACE = "\u2581"  # what SentencePiece writes for one


class Kind(IntEnum):
    """What a token is, as GGUF numbers it."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


class Splitting(NamedTuple):
    """How byte-level tokenizers of one name split texts.

    Attributes:
        parts: of `pre_tokenizers.Sequence`.
        whole: whether what is one token is not put together by merges.
        begins: whether a token is put before texts where the file does not say.
        normalizer: what is done to a text before.
    """

    parts: Sequence[dict[str, Any]]
    whole: bool = False
    begins: bool = False
    normalizer: str | None = None


def _byte_level(splits: bool) -> dict[str, Any]:
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": splits,  # as GPT-2 does
    }


def _by(*expressions: str) -> list[dict[str, Any]]:
    split = {"type": "Split", "behavior": "Isolated", "invert": False}
    each = [split | {"pattern": {"Regex": expression}} for expression in expressions]
    return [*each, _byte_level(splits=False)]


_GPT2 = Splitting([_byte_level(splits=True)])
_DIGITS = Splitting([{"type": "Digits", "individual_digits": True}, _byte_level(splits=True)])
_LLAMA3 = Splitting(_by(patterns.LLAMA3), whole=True, begins=True)
_SMAUG = Splitting(_by(patterns.LLAMA3))
_QWEN2 = Splitting(_by(patterns.QWEN2), normalizer="NFC")
_QWEN35 = Splitting(_by(patterns.QWEN35), normalizer="NFC")
_O200K = Splitting(_by(patterns.O200K))
NAMES = {
    "default": Splitting(_by(*patterns.DEFAULT)),
    **dict.fromkeys(("gpt-2", "phi-2"), _GPT2),
    **dict.fromkeys(("smollm", "starcoder", "refact", "codeshell"), _DIGITS),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3", "falcon3", "lfm2"), _LLAMA3),
    **dict.fromkeys(("smaug-bpe", "dbrx"), _SMAUG),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen"), _QWEN2),
    "qwen35": _QWEN35,
    "tekken": Splitting(_by(patterns.TEKKEN), whole=True, begins=True),
    **dict.fromkeys(("gpt-4o", "llama4"), _O200K),
}


def tokenizer_of(metadata: Mapping[str, Any]) -> bytes:
    """Return the `tokenizer.json` of a GGUF file.

    Args:
        metadata: of the file, by its keys, such as `tokenizer.ggml.tokens`.

    Raises:
        GenzooError: the file lacks something, or names a kind or a pre-tokenizer that is not known.

    Example:
        >>> tokens, kinds = ["a", "b", "ab", "<|end|>"], [1, 1, 1, 3]
        >>> metadata = {"tokens": tokens, "token_type": kinds, "merges": ["a b"], "pre": "gpt-2"}
        >>> named = {f"tokenizer.ggml.{key}": each for key, each in metadata.items()}
        >>> made = tokenizer_of(named | {"tokenizer.ggml.model": "gpt2"})
        >>> trusted.read(made).encode("ab<|end|>").ids
        [2, 3]
    """
    words = _Words(metadata)
    model = words.get("model", str)
    if model == "gpt2":
        document = _of_merges(words)
    elif model == "llama":
        document = _of_scores(words)
    else:
        raise GenzooError(
            f"tokenizer.ggml.model is '{plain(model)}'; expected gpt2, which is byte-level, or "
            "llama, which is SentencePiece's"
        )
    data = json.dumps(document, ensure_ascii=False).encode()
    trusted.read(data)
    return data


class _Words:
    """What a file says of its tokenizer, each of the type that it must have."""

    def __init__(self, metadata: Mapping[str, Any]):
        self._metadata = metadata
        self.tokens: list[str] = self.several("tokens", str)
        self.kinds: list[int] = self.several("token_type", int)
        if len(self.kinds) != len(self.tokens):
            raise GenzooError(
                f"tokenizer.ggml.token_type has {len(self.kinds)} values for "
                f"{len(self.tokens)} tokens; expected as many"
            )
        for number, kind in enumerate(self.kinds):
            if kind not in (*Kind,):
                raise GenzooError(f"tokenizer.ggml.token_type of token {number} is {kind}; "
                                  "expected 1 to 6")  # fmt: skip

    def get(self, key: str, kind: type, default: Any = None) -> Any:
        """Return a value; one that is missing is an error unless there is a default."""
        key = f"tokenizer.ggml.{key}"
        if key not in self._metadata and default is not None:
            return default
        value = self._metadata.get(key)
        if not isinstance(value, kind):
            found = "missing" if value is None else f"of type {type(value).__name__}"
            raise GenzooError(f"{key} is {found}; expected a value of type {kind.__name__}")
        return value

    def several(self, key: str, kind: type) -> list[Any]:
        """Return an array."""
        values = self.get(key, list)
        if any(not isinstance(value, kind) for value in values):
            raise GenzooError(f"tokenizer.ggml.{key} holds other things than {kind.__name__}")
        return list(values)

    def of_kind(self, *kinds: Kind) -> dict[str, int]:
        """Return the numbers of all tokens of some kinds.

        Raises:
            GenzooError: two of them are alike.
        """
        found: dict[str, int] = {}
        for number, (token, kind) in enumerate(zip(self.tokens, self.kinds, strict=True)):
            if kind in kinds:
                if token in found:
                    raise GenzooError(
                        f"tokens {found[token]} and {number} are both '{plain(token)}'; expected "
                        "each once"
                    )
                found[token] = number
        return found

    def special(self, name: str) -> int | None:
        """Return the number of a special token, or None where the file names none."""
        if f"tokenizer.ggml.{name}_token_id" not in self._metadata:
            return None
        number: int = self.get(f"{name}_token_id", int)
        if not 0 <= number < len(self.tokens):
            raise GenzooError(f"tokenizer.ggml.{name}_token_id is {number}; expected one of "
                              f"{len(self.tokens)} tokens")  # fmt: skip
        return number


def _of_merges(words: _Words) -> dict[str, Any]:
    """Return a byte-level tokenizer."""
    name = words.get("pre", str)
    if name not in NAMES:
        known = nearest(name, NAMES) or f"; expected one of {', '.join(NAMES)}"
        raise GenzooError(f"the pre-tokenizer '{plain(name)}' is not known{known}")
    splitting = NAMES[name]
    merges = []
    for merge in words.several("merges", str):
        first, space, second = merge[1:].partition(" ")  # the first character may be a space
        if not space:
            raise GenzooError(f"the merge '{plain(merge)}' has no space; expected two tokens")
        merges.append([merge[:1] + first, second])
    return _document(
        words,
        normalizer=splitting.normalizer and {"type": splitting.normalizer},
        pre_tokenizer={"type": "Sequence", "pretokenizers": [*splitting.parts]},
        decoder=_byte_level(splits=True),
        begins=splitting.begins,
        model={"merges": merges, "ignore_merges": splitting.whole},
    )


def _of_scores(words: _Words) -> dict[str, Any]:
    """Return a tokenizer derived from SentencePiece: of two tokens that could be, the one of the
    higher score is put together first."""
    scores = words.several("scores", int | float)
    pieces = words.of_kind(Kind.NORMAL, Kind.USER_DEFINED)
    if len(scores) != len(words.tokens):
        raise GenzooError(f"tokenizer.ggml.scores has {len(scores)} values for "
                          f"{len(words.tokens)} tokens; expected as many")  # fmt: skip
    merges = [
        (scores[number], token[:at], token[at:])
        for token, number in pieces.items()
        for at in range(1, len(token))
        if token[:at] in pieces and token[at:] in pieces
    ]
    if len(merges) > 1 and len({score for score, *_ in merges}) == 1:
        raise GenzooError("tokenizer.ggml.scores are all the same, and tell no order of tokens")
    # As Hugging Face orders them where scores are alike.
    merges.sort(key=lambda merge: (pieces[merge[1]], pieces[merge[2]]))
    merges.sort(key=lambda merge: (merge[0], len(merge[1]), len(merge[2])), reverse=True)
    replaced = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    decoders = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    normalizers = [replaced]
    if words.get("add_space_prefix", bool, True):
        normalizers = [{"type": "Prepend", "prepend": SPACE}, replaced]
        decoders.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    unknown = words.special("unknown")
    return _document(
        words,
        normalizer={"type": "Sequence", "normalizers": normalizers},
        pre_tokenizer=None,
        decoder={"type": "Sequence", "decoders": decoders},
        begins=True,
        model={
            "unk_token": None if unknown is None else words.tokens[unknown],
            "fuse_unk": True,
            "byte_fallback": bool(words.of_kind(Kind.BYTE)),
            "merges": [[first, second] for _, first, second in merges],
        },
    )


def _document(
    words: _Words, *, begins: bool, model: dict[str, Any], **parts: Any
) -> dict[str, Any]:
    """Return the content of `tokenizer.json`.

    Tokens that are found before a text is split are among the others as well, since each is to keep
    its number; unused ones, which pad the vocabulary, are in neither.
    """
    used = words.of_kind(*(kind for kind in Kind if kind is not Kind.UNUSED))
    added = words.of_kind(Kind.CONTROL, Kind.UNKNOWN, Kind.USER_DEFINED)
    plainly = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": number, "content": token, **plainly}
            | {"special": words.kinds[number] != Kind.USER_DEFINED}
            for token, number in added.items()
        ],
        **parts,
        "post_processor": _around(words, begins),
        "model": {"type": "BPE", "dropout": None, "vocab": used} | model,
    }


def _around(words: _Words, begins: bool) -> dict[str, Any] | None:
    """Return what puts special tokens around texts."""
    ends = [
        (words.special("bos") if words.get("add_bos_token", bool, begins) else None),
        (words.special("eos") if words.get("add_eos_token", bool, False) else None),
    ]
    if ends == [None, None]:
        return None

    def around(*texts: str) -> list[dict[str, Any]]:
        pieces = []
        for kind, text in enumerate(texts):
            inner = [{"Sequence": {"id": text, "type_id": kind}}]
            before, after = (
                []
                if end is None
                else [{"SpecialToken": {"id": words.tokens[end], "type_id": kind}}]
                for end in ends
            )
            pieces += [*before, *inner, *after]
        return pieces

    special = {
        words.tokens[end]: {"id": words.tokens[end], "ids": [end], "tokens": [words.tokens[end]]}
        for end in ends
        if end is not None
    }
    return {
        "type": "TemplateProcessing",
        "single": around("A"),
        "pair": around("A", "B"),
        "special_tokens": special,
    }
