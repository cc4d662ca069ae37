"""Tokenizers as others make them, trained on a few words: byte-level, and like SentencePiece."""

from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from serving.text.spelling import patterns

WORDS = ["the cat sat on the mat, 12345 times", "don't! Straße, naïve café", "中文 and кот"] * 3
BORDERS = [
    "a  b",
    "a\n\nb \n ",
    "1234567",
    "don't DON'T l'eau",
    "!? $+<=>^~|",
    "a\r\n \t",
    "/\n",
    "AbcDef",
]
SPECIAL = ["<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>"]
ODD = [
    *("e\u0301", "\u0301", "👩‍👩‍👧", "🇩🇪", " ", "  ", "\n", "\n\n", "\r\n", "\t", "\x00", "\x7f"),
    *("123456", "٣٤", "½", "中文字", "ไทย", "'s", "don't", "\u00a0", "\u3000", "\u200b", "\ufffd"),
    *SPECIAL,
    *("<think>", "[user name]", "<0x41>", "\u2581", "the", "/", "$+<", "A", "b", "DON'T", "7"),
]
# Where the parts of a text meet, tokenizers go wrong.
TEXTS = st.lists(
    st.one_of(st.sampled_from(ODD), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)),
    max_size=8,
).map("".join)


def byte_level(expression: str | None = patterns.LLAMA3, strips: bool = True) -> Tokenizer:
    """Like those of Llama 3 and Qwen: special tokens and others are beyond the vocabulary.

    Args:
        expression: how texts are split; where they are not, tokens cross all borders.
        strips: whether a token takes the spaces after it along.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = level
    if expression is not None:
        split = pre_tokenizers.Split(Regex(expression), "isolated")
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, level])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    size = 300 if expression else 600
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(WORDS if expression else WORDS + 3 * BORDERS, trainer)
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.add_tokens(["<think>", AddedToken("[user name]", rstrip=strips, normalized=strips)])
    _put_before(tokenizer)
    return tokenizer


def like_sentencepiece(legacy: bool) -> Tokenizer:
    """Like those of Llama 2, as they were converted first, and as they are now."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    space = "\u2581"
    if legacy:
        replaced = normalizers.Replace(" ", space)
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(space), replaced])
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(space, "first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace(space, " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    bytewise = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=[*SPECIAL, *bytewise], show_progress=False
    )
    tokenizer.train_from_iterator(" ".join(WORDS).split(), trainer)
    tokenizer.add_tokens(["<think>"])
    # Bytes are tokens like others; the trainer adds them as special ones.
    plain = Tokenizer.from_str(_without_added(tokenizer.to_str(), bytewise))
    _put_before(plain)
    return plain


def _without_added(document: str, contents: list[str]) -> str:
    import json

    loaded = json.loads(document)
    kept = [each for each in loaded["added_tokens"] if each["content"] not in contents]
    return json.dumps(loaded | {"added_tokens": kept})


def _put_before(tokenizer: Tokenizer) -> None:
    begin = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", begin)]
    )
