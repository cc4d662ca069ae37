"""Tokenizers made from a corpus: one token for a character, or byte-level byte-pair encoding.

Both are byte-level BPE in the Hugging Face `tokenizers` format, which ONNX Runtime GenAI,
transformers.js and llama.cpp read. A character tokenizer has no merges but those that put together
the bytes of a character beyond ASCII, so that each character is one token.

Reference:
    Sennrich et al. 2016 (arXiv:1508.07909); Radford et al. 2019, section 2.2, for bytes.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from serving.errors import GenzooError, UsageError
from serving.files import replacing
from serving.text.spelling import trusted

FILE = "tokenizer.json"
SPECIAL = ("<|pad|>", "<|bos|>", "<|eos|>")
PAD, BOS, EOS = range(len(SPECIAL))  # the same ids in every tokenizer of the zoo
SMALLEST = len(SPECIAL) + 256  # tokens of a BPE tokenizer without merges
_KINDS = (r"\p{L}", r"\p{N}", r"\s", r"[^\s\p{L}\p{N}]")  # of characters, which words have one of
_SPLITTER = pre_tokenizers.ByteLevel(add_prefix_space=False)  # splits as GPT-2 does
LONGEST = 1024  # characters of a word that merges are learned from
# Learning takes the square of a word's length. What the splitter leaves whole and is longer, as DNA
# or a drawn line, is cut to learn from; what is encoded is not, since that takes no longer for it.
_CUTTER = pre_tokenizers.Split(
    tokenizers.Regex("|".join(rf"{kind}{{{LONGEST}}}" for kind in _KINDS)), "isolated"
)


def character_tokenizer(text: str, special: Sequence[str] = ()) -> tokenizers.Tokenizer:
    """Make a tokenizer that has one token for each character of `text`.

    A character beyond ASCII also brings tokens of its first bytes, which are never used.

    Args:
        text: the corpus.
        special: further special tokens, whose ids follow those that all tokenizers have.

    Example:
        >>> tokenizer = character_tokenizer("hello")
        >>> tokenizer.get_vocab_size(), tokenizer.encode("hole").ids
        (7, [4, 6, 5, 3])
    """
    vocabulary, merges = dict.fromkeys([*SPECIAL, *special]), []
    for character in sorted(set(text)):
        symbols = _symbols(character)
        vocabulary.update(dict.fromkeys(symbols))
        for end in range(1, len(symbols)):
            merges.append((symbols[:end], symbols[end]))
            vocabulary[symbols[: end + 1]] = None
    ids = {token: index for index, token in enumerate(vocabulary)}
    return _finished(models.BPE(vocab=ids, merges=list(dict.fromkeys(merges))), special)


def bpe_tokenizer(
    texts: Iterable[str],
    vocabulary_size: int,
    special: Sequence[str | tokenizers.AddedToken] = (),
    prefix_space: bool = False,
) -> tokenizers.Tokenizer:
    """Train byte-level BPE, which has a token for every byte and so knows every text.

    Args:
        texts: the corpus; the same corpus gives the same tokenizer.
        vocabulary_size: tokens in all, special ones and 256 bytes included; a small corpus may
            yield fewer.
        special: further special tokens, whose ids follow those that all tokenizers have; as they
            are written, or with what else is known of how they are found.
        prefix_space: whether a space is put before each text, and taken off again, so that a word
            is the same token at the beginning as elsewhere.

    Raises:
        UsageError: there would be no room for the bytes.

    Example:
        >>> tokenizer = bpe_tokenizer(["low lower lowest"] * 2, 262)
        >>> tokenizer.encode("low").tokens
        ['low']
    """
    least = SMALLEST + len(special)
    if vocabulary_size < least:
        raise UsageError(
            f"vocabulary_size is {vocabulary_size}; expected at least {least}, "
            "for 256 bytes and the special tokens"
        )
    tokenizer = _finished(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        special_tokens=[*SPECIAL, *special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=True) if prefix_space else _SPLITTER
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([_CUTTER, splitter])
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = splitter
    if prefix_space:
        parts = [decoders.ByteLevel(), decoders.Strip(" ", 1, 0)]
        tokenizer.decoder = decoders.Sequence(parts)
    return tokenizer


def end_texts(tokenizer: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """Return the tokenizer after it was told to put the token that ends a text behind each."""
    end = SPECIAL[EOS]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A {end} $B:1 {end}:1", special_tokens=[(end, EOS)]
    )
    return tokenizer


def frame_texts(tokenizer: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """Return the tokenizer after it was told to put each text between `<|bos|>` and `<|eos|>`."""
    begin, end = SPECIAL[BOS], SPECIAL[EOS]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A {end}",
        pair=f"{begin} $A {end} $B:1 {end}:1",
        special_tokens=[(begin, BOS), (end, EOS)],
    )
    return tokenizer


def encode(tokenizer: tokenizers.Tokenizer, text: str) -> np.ndarray:
    """Return the tokens of a text, int32 `(N,)`; what looks like a special token is plain text.

    Raises:
        UsageError: a character that a character tokenizer does not know.

    Example:
        >>> encode(character_tokenizer("abc"), "cab").tolist()
        [5, 3, 4]
    """
    unknown = sorted(set(text) - known_characters(tokenizer, text))
    if unknown:
        shown = ", ".join(repr(character) for character in unknown[:8])
        more = f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""
        raise UsageError(
            f"the text has characters that the tokenizer does not know: {shown}{more}; "
            "leave them out, or use a BPE tokenizer"
        )
    return np.array(tokenizer.encode(text, add_special_tokens=False).ids, np.int32)


def known_characters(tokenizer: tokenizers.Tokenizer, text: str) -> set[str]:
    """Return those characters of `text` that the tokenizer can write.

    Tokenizers of others know all, be it byte by byte or as a token for what is unknown.
    """
    vocabulary = tokenizer.get_vocab()
    if not {*SPECIAL} <= vocabulary.keys():
        return set(text)
    if all(symbol in vocabulary for symbol in pre_tokenizers.ByteLevel.alphabet()):
        return set(text)
    return {character for character in set(text) if _symbols(character) in vocabulary}


def save(
    tokenizer: tokenizers.Tokenizer,
    directory: str | Path,
    context: int,
    special: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write `tokenizer.json` and `tokenizer_config.json`, as Hugging Face names them.

    Args:
        tokenizer: of this module.
        directory: made if need be.
        context: most tokens that the model takes.
        special: further special tokens, by the names that readers have for them (`mask_token`).

    Example:
        >>> save(character_tokenizer("abc"), "model", context=256)
        >>> load("model").get_vocab_size()
        6
    """
    # The class that readers know as byte-level BPE with the splits of GPT-2.
    kind = {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False, "add_bos_token": False}
    if tokenizer.post_processor is not None:  # it would forget what is put behind a text
        kind = {"tokenizer_class": "PreTrainedTokenizerFast"}
    settings = kind | {
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
        "pad_token": SPECIAL[PAD],
        "bos_token": SPECIAL[BOS],
        "eos_token": SPECIAL[EOS],
        "unk_token": SPECIAL[PAD],  # unset, readers would add GPT-2's to the vocabulary
        **special,
    }
    with replacing(Path(directory, FILE)) as temporary:
        temporary.write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
    with replacing(Path(directory, "tokenizer_config.json")) as temporary:
        temporary.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def load(directory: str | Path) -> tokenizers.Tokenizer:
    """Read back the tokenizer that `save` wrote.

    Raises:
        UsageError: there is none, or it cannot be read.
    """
    path = Path(directory, FILE)
    try:
        return parse(path.read_bytes(), path)
    except OSError as error:
        raise UsageError(f"{path} is no tokenizer that can be read: {error}") from None


def parse(data: bytes, where: str | Path = FILE) -> tokenizers.Tokenizer:
    """Read the content of `tokenizer.json`; `where` it is from is for the error.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        tokenizer = trusted.read(data)
    except GenzooError as error:
        raise UsageError(f"{where} is no tokenizer that can be read: {error}") from None
    tokenizer.encode_special_tokens = True  # is not part of the file
    return tokenizer


def _finished(model: models.BPE, special: Sequence[str] = ()) -> tokenizers.Tokenizer:
    """Return a byte-level tokenizer with this model and the special tokens."""
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer, tokenizer.decoder = _SPLITTER, decoders.ByteLevel()
    if tokenizer.get_vocab_size():
        tokenizer.add_special_tokens([*SPECIAL, *special])
    tokenizer.encode_special_tokens = True
    return tokenizer


def _symbols(character: str) -> str:
    """Return the printable stand-ins of a character's bytes, one for each."""
    return "".join(part for part, _ in _SPLITTER.pre_tokenize_str(character))
