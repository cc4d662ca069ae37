"""Text as batches of tokens: read, cut, tokenized, sampled; the same for the same seed.

A corpus is held in memory. Training draws blocks of it at random, as a pure function of the seed
and the step, so that a run that stops after any step goes on with exactly the batches it would
have had. The part that chooses the best weights (validation) and the part that is reported (test)
are gone through from beginning to end.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

import numpy as np
import tensorflow as tf
from pydantic import Field, model_validator
from tokenizers import Tokenizer

from serving.errors import UsageError
from zoo.config import Config
from zoo.data import corpus, tokenizers
from zoo.data.styles import codes, division
from zoo.data.styles.passages import Passage, blocks, windows

PARTS = ("train", "validation", "test")


class TextConfig(Config):
    """The `[data]` table of a text recipe.

    Args:
        name: `tiny_shakespeare`, `python_topics` or another text of TensorFlow Datasets; or a
            `.txt` file or a folder of them, as `book.txt`, `./books` or `folder:books`, in UTF-8
            or, with a byte order mark, UTF-16.
        tokenizer: `character`, or `bpe` trained on the training part; `given` of a model that was
            imported, whose tokenizer came with it.
        vocabulary_size: `bpe` only; tokens in all, special ones and 256 bytes included.
        test: share of the characters, the last ones, that are held out and reported; a tenth is
            what nanoGPT calls validation.
        validation: share of the characters that are held out too, to choose the best weights by.
        validation_at: whether those are the first of the text, or the last before the test part.
            Neighbours resemble each other: the text before the test part, with its people and
            places, is what a model needs to have seen to predict it.
        limit: use only this many characters, of each style where there are some; a character
            tokenizer still knows all of the text's.
        styles: what parts the text into styles, each with a token that a model is told it by:
            `speakers`, whom plays name in a line `NAME:` before what they say; `registers`, which
            are the `verse` and the `prose` of plays; or `folders` of a folder of texts. Of each
            style a part is held out; text of no style is only trained on.
        style_count: `speakers` only; so many of those who say most.
    """

    name: str
    tokenizer: Literal["character", "bpe", "given"] = "character"
    vocabulary_size: Annotated[int, Field(ge=tokenizers.SMALLEST)] | None = None
    test: Annotated[float, Field(gt=0, lt=1)] = 0.1
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.02
    validation_at: Literal["beginning", "end"] = "end"
    limit: Annotated[int, Field(ge=2)] | None = None
    styles: Literal["speakers", "registers", "folders"] | None = None
    style_count: Annotated[int, Field(ge=2)] | None = None

    later: ClassVar[tuple[str, ...]] = ("styles", "style_count")

    def places(self) -> dict[str, Path]:
        """Return where a file or folder of text lies."""
        path = corpus.own_text(self.name)
        return {"name": path.absolute()} if path else {}

    def byte_pairs(self, texts: list[str], special: Sequence[str] = ()) -> Tokenizer:
        """Return the tokenizer `bpe`, made of the training part, with more special tokens."""
        return tokenizers.bpe_tokenizer(texts, self.vocabulary_size, special)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (self.tokenizer == "bpe") != (self.vocabulary_size is not None):
            raise ValueError(
                "vocabulary_size goes with tokenizer 'bpe', which needs it; "
                f"of tokenizer '{self.tokenizer}' "
                f"{'the text' if self.tokenizer == 'character' else 'the model'} decides it"
            )
        if (self.styles == "speakers") != (self.style_count is not None):
            raise ValueError(
                "style_count goes with styles 'speakers', which needs it: so many of those who "
                "say most"
            )
        if self.styles is not None and self.tokenizer == "given":
            raise ValueError(
                "styles have tokens of their own, which the tokenizer of an imported model lacks; "
                "expected tokenizer 'character' or 'bpe'"
            )
        if self.test + self.validation >= 1:
            raise ValueError(
                f"test {self.test} and validation {self.validation} leave nothing to train on; "
                "make their sum less than 1"
            )
        return self


class Text:
    """The text of a recipe, ready to train on and to evaluate.

    Args:
        config: the `[data]` table.
        context: tokens T that the model sees at once.
        vocabulary_size: tokens that the model knows, to be checked; None if there is no model yet.
        tokenizer: of the model; made from the corpus if there is none yet.
        end: the token between documents; None for none.

    Attributes:
        source: name, version and licence of the corpus.
        tokenizer: of the Hugging Face library.
        characters: number of characters of each part, for nats per character.

    Raises:
        UsageError: the corpus cannot be had, or does not fit the model.

    Example:
        >>> text = Text(TextConfig(name="python_topics", limit=20000), context=64)
        >>> inputs, targets = next(iter(text.training_batches(8, seed=0)))
        >>> inputs.shape, bool(np.all(inputs[:, 1:] == targets[:, :-1]))
        (TensorShape([8, 64]), True)
    """

    def __init__(
        self,
        config: TextConfig,
        context: int,
        vocabulary_size: int | None = None,
        tokenizer: Tokenizer | None = None,
        end: int | None = tokenizers.EOS,
    ):
        self.config, self.context, self._end = config, context, end
        documents, self.source = corpus.read(config.name)
        divided = division.divide(config.styles, config.name, documents, config.style_count)
        parts = _parts(divided, config)
        self.characters = {
            part: sum(len(text) for texts in own.values() for text in texts)
            for part, own in parts.items()
        }
        if tokenizer is None:
            tokenizer = self._new_tokenizer(documents, divided, parts["train"])
        self.tokenizer = tokenizer
        size = self.tokenizer.get_vocab_size()
        # A model that was imported may have room for more tokens than there are.
        if config.tokenizer != "given" and vocabulary_size not in (None, size):
            raise UsageError(
                f"'{config.name}' has {size} tokens and the model takes {vocabulary_size}; "
                f"set model.vocabulary_size={size}"
            )
        self._passages = {part: self._encoded(own) for part, own in parts.items()}
        for part, least in (("train", context + 1), ("validation", 2), ("test", 2)):
            for passage in self._passages[part]:
                self._check_length(part, passage, least)

    def _new_tokenizer(
        self, documents: list[str], divided: division.Divided, trained: division.Divided
    ) -> Tokenizer:
        """Make the tokenizer, with a token for each style."""
        special = [codes.code(style) for style in divided if style is not None]
        if self.config.tokenizer == "bpe":
            texts = [text for own in trained.values() for text in own]
            return self.config.byte_pairs(texts, special)
        return tokenizers.character_tokenizer("".join(documents), special)

    def _encoded(self, divided: division.Divided) -> list[Passage]:
        """Return the tokens of each style, the end of each document but the last marked."""
        known, end = codes.codes_of(self.tokenizer), [] if self._end is None else [self._end]
        passages = []
        for style, documents in divided.items():
            if style is not None and style not in known:
                raise UsageError(
                    f"the tokenizer has no token for the style '{style}'; its styles are "
                    f"{', '.join(known) or 'none'}; begin with a model of these styles"
                )
            encoded: list = []
            for document in documents:
                encoded += [tokenizers.encode(self.tokenizer, document), end]
            tokens = np.concatenate(encoded[:-1] or [[]]).astype(np.int32)
            beside = self.config.styles is not None and style is None
            if beside and len(tokens) <= self.context:  # no block of it could be learned
                continue
            passages.append(Passage(style, None if style is None else known[style], tokens))
        return passages

    def _check_length(self, part: str, passage: Passage, least: int) -> None:
        if len(passage.tokens) < least:
            whose = "" if passage.style is None else f" of style '{passage.style}'"
            raise UsageError(
                f"the {part} part{whose} of '{self.config.name}' has {len(passage.tokens)} tokens; "
                f"expected at least {least} for a context of {self.context}; "
                "bring more text or lower model.context"
            )

    @property
    def styles(self) -> list[str]:
        """The names of the styles, in the order of their tokens; none where there are none."""
        return [each.style for each in self._passages["test"] if each.style is not None]

    def passages(self, part: str) -> list[Passage]:
        """Return the tokens of `train`, `validation` or `test`, by style where there are styles."""
        return self._passages[part]

    def tokens(self, part: str) -> np.ndarray:
        """Return all tokens of `train`, `validation` or `test`, int32 `(N,)`, with their codes."""
        return np.concatenate([passage.whole for passage in self._passages[part]])

    def characters_per_token(self, part: str) -> float:
        """Return how many characters a token of a part stands for; 1 of a character tokenizer."""
        return self.characters[part] / sum(len(each.tokens) for each in self._passages[part])

    def written(self, part: str) -> dict[str, str]:
        """Return the text of each style in a part."""
        return {
            passage.style: self.tokenizer.decode(passage.tokens.tolist())
            for passage in self._passages[part]
            if passage.style is not None
        }

    def steps_per_epoch(self, batch_size: int) -> int:
        """Number of batches that hold as many tokens as the training part."""
        tokens = sum(len(passage.tokens) for passage in self._passages["train"])
        return -(-tokens // (batch_size * self.context))

    def training_batches(self, batch_size: int, seed: int, start: int = 0) -> tf.data.Dataset:
        """Return batches without end, of blocks that begin anywhere in the training part.

        Args:
            batch_size: blocks per batch of all replicas together.
            seed: of where blocks begin.
            start: steps already done.

        Returns:
            A data set of pairs int32 `(B, T)`: tokens, and the token that follows each.
        """
        pick = blocks(self._passages["train"], self.context, batch_size, seed)
        steps = tf.data.Dataset.range(start, tf.int64.max)
        return steps.map(pick, num_parallel_calls=2, deterministic=True).prefetch(4)

    def validation_batches(self, batch_size: int, stride: int | None = None) -> tf.data.Dataset:
        """Return the whole validation part, every token but the first predicted once.

        Where the text has styles, each is predicted from its code on, the first token too.

        Args:
            batch_size: windows per batch; the last may be smaller.
            stride: see `windows`; the context by default, which is cheapest.

        Returns:
            A data set of int32 tokens, int32 targets and float32 weights, `(B, T)` each.
        """
        found = [
            windows(passage.tokens, self.context, stride or self.context, passage.code)
            for passage in self._passages["validation"]
        ]
        arrays = tuple(np.concatenate(each) for each in zip(*found, strict=True))
        return tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size)


def _parts(divided: division.Divided, config: TextConfig) -> dict[str, division.Divided]:
    """Return what of each style belongs to each part; text beside the styles is trained on."""
    parts: dict[str, division.Divided] = {part: {} for part in PARTS}
    for style, documents in divided.items():
        if config.styles is not None and style is None:
            parts["train"][style] = _cut(documents, config.limit, {"train": 0.0})["train"]
            continue
        for part, texts in _cut(documents, config.limit, _starts(config)).items():
            parts[part][style] = texts
    return parts


def _starts(config: TextConfig) -> dict[str, float]:
    """Return at what share of a text each part begins, in their order."""
    if config.validation_at == "beginning":
        return {"validation": 0.0, "train": config.validation, "test": 1 - config.test}
    trained = 1 - config.test - config.validation
    return {"train": 0.0, "validation": trained, "test": 1 - config.test}


def _cut(documents: list[str], limit: int | None, starts: dict[str, float]) -> dict[str, list[str]]:
    """Return the documents of each part; one that lies across a border is cut in two."""
    total = int(min(sum(map(len, documents)), limit or np.inf))
    borders = [int(total * start) for start in [*starts.values(), 1.0]]
    parts, position = {part: [] for part in starts}, 0
    for document in documents:
        for part, start, end in zip(starts, borders, borders[1:], strict=False):
            inside = document[max(0, start - position) : max(0, end - position)]
            parts[part] += [inside] if inside else []
        position += len(document)
    return parts
