"""Text as batches of tokens: read, cut, tokenized, sampled; the same for the same seed.

A corpus is held in memory. Training draws blocks of it at random, as a pure function of the seed
and the step, so that a run that stops after any step goes on with exactly the batches it would
have had. The part that chooses the best weights (validation) and the part that is reported (test)
are gone through from beginning to end.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
import tensorflow as tf
from pydantic import Field, model_validator
from tokenizers import Tokenizer

from serving.errors import UsageError
from zoo.config import Config
from zoo.data import corpus, tokenizers

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
        limit: use only this many characters; a character tokenizer still knows all of the text's.
    """

    name: str
    tokenizer: Literal["character", "bpe", "given"] = "character"
    vocabulary_size: Annotated[int, Field(ge=tokenizers.SMALLEST)] | None = None
    test: Annotated[float, Field(gt=0, lt=1)] = 0.1
    validation: Annotated[float, Field(gt=0, lt=1)] = 0.02
    validation_at: Literal["beginning", "end"] = "end"
    limit: Annotated[int, Field(ge=2)] | None = None

    def places(self) -> dict[str, Path]:
        """Return where a file or folder of text lies."""
        path = corpus.own_text(self.name)
        return {"name": path.absolute()} if path else {}

    def byte_pairs(self, texts: list[str]) -> Tokenizer:
        """Return the tokenizer `bpe`, made of the training part."""
        return tokenizers.bpe_tokenizer(texts, self.vocabulary_size)

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if (self.tokenizer == "bpe") != (self.vocabulary_size is not None):
            raise ValueError(
                "vocabulary_size goes with tokenizer 'bpe', which needs it; "
                f"of tokenizer '{self.tokenizer}' "
                f"{'the text' if self.tokenizer == 'character' else 'the model'} decides it"
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
        parts = dict(zip(PARTS, _cut(documents, config), strict=True))
        self.characters = {part: sum(map(len, texts)) for part, texts in parts.items()}
        if tokenizer is not None:
            self.tokenizer = tokenizer
        elif config.tokenizer == "bpe":
            self.tokenizer = config.byte_pairs(parts["train"])
        else:
            self.tokenizer = tokenizers.character_tokenizer("".join(documents))
        size = self.tokenizer.get_vocab_size()
        # A model that was imported may have room for more tokens than there are.
        if config.tokenizer != "given" and vocabulary_size not in (None, size):
            raise UsageError(
                f"'{config.name}' has {size} tokens and the model takes {vocabulary_size}; "
                f"set model.vocabulary_size={size}"
            )
        self._tokens = {part: self._encode(texts) for part, texts in parts.items()}
        for part, least in (("train", context + 1), ("validation", 2), ("test", 2)):
            if len(self._tokens[part]) < least:
                raise UsageError(
                    f"the {part} part of '{config.name}' has {len(self._tokens[part])} tokens; "
                    f"expected at least {least} for a context of {context}; "
                    "bring more text or lower model.context"
                )

    def _encode(self, documents: list[str]) -> np.ndarray:
        """Return the tokens of documents, int32 `(N,)`, the end of each but the last marked."""
        encoded, end = [], [] if self._end is None else [self._end]
        for document in documents:
            encoded += [tokenizers.encode(self.tokenizer, document), end]
        return np.concatenate(encoded[:-1] or [[]]).astype(np.int32)

    def tokens(self, part: str) -> np.ndarray:
        """Return all tokens of `train`, `validation` or `test`, int32 `(N,)`."""
        return self._tokens[part]

    def steps_per_epoch(self, batch_size: int) -> int:
        """Number of batches that hold as many tokens as the training part."""
        return -(-len(self._tokens["train"]) // (batch_size * self.context))

    def training_batches(self, batch_size: int, seed: int, start: int = 0) -> tf.data.Dataset:
        """Return batches without end, of blocks that begin anywhere in the training part.

        Args:
            batch_size: blocks per batch of all replicas together.
            seed: of where blocks begin.
            start: steps already done.

        Returns:
            A data set of pairs int32 `(B, T)`: tokens, and the token that follows each.
        """
        with tf.device("CPU:0"):
            tokens = tf.constant(self._tokens["train"])
        places = len(self._tokens["train"]) - self.context  # where a block and its target fit

        def pick(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            begins = tf.random.stateless_uniform(
                [batch_size], tf.stack([tf.cast(seed, tf.int64), step]), 0, places, tf.int32
            )
            block = tf.gather(tokens, begins[:, None] + tf.range(self.context + 1))  # (B, T + 1)
            return block[:, :-1], block[:, 1:]

        steps = tf.data.Dataset.range(start, tf.int64.max)
        return steps.map(pick, num_parallel_calls=2, deterministic=True).prefetch(4)

    def validation_batches(self, batch_size: int, stride: int | None = None) -> tf.data.Dataset:
        """Return the whole validation part, every token but the first predicted once.

        Args:
            batch_size: windows per batch; the last may be smaller.
            stride: see `windows`; the context by default, which is cheapest.

        Returns:
            A data set of int32 tokens, int32 targets and float32 weights, `(B, T)` each.
        """
        arrays = windows(self._tokens["validation"], self.context, stride or self.context)
        return tf.data.Dataset.from_tensor_slices(arrays).batch(batch_size)


def windows(
    tokens: np.ndarray, context: int, stride: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cut tokens into windows for stride evaluation.

    Args:
        tokens: `(N,)`, N >= 2.
        context: tokens T of a window.
        stride: how far the next window moves on, from 1 to T. A token is predicted from at least
            T - stride others, those at the beginning excepted.

    Returns:
        Inputs and targets, int32 `(windows, T)`, and weights, float32: 1 where a target is counted,
        which each is exactly once, and 0 for context and for padding.

    Raises:
        UsageError: a stride that would leave tokens out.

    Example:
        >>> inputs, targets, weights = windows(np.arange(6), context=4, stride=2)
        >>> inputs.tolist()
        [[0, 1, 2, 3], [2, 3, 4, 5]]
        >>> (targets * weights).tolist()
        [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 5.0, 0.0]]
    """
    if not 1 <= stride <= context:
        raise UsageError(f"stride is {stride}; expected 1 to {context}, the context")
    count = 1 + max(0, -(-(len(tokens) - 1 - context) // stride))
    padded = np.full((count - 1) * stride + context + 1, tokenizers.PAD, np.int32)
    padded[: len(tokens)] = tokens
    counted = np.zeros(len(padded), np.float32)
    counted[1 : len(tokens)] = 1
    begins = stride * np.arange(count)[:, None]
    places = begins + np.arange(context)  # (windows, T)
    weights = counted[places + 1]
    weights[1:, : context - stride] = 0  # the window before has counted these
    return padded[places], padded[places + 1], weights


def _cut(documents: list[str], config: TextConfig) -> list[list[str]]:
    """Return the documents of each part; one that lies across a border is cut in two."""
    total = int(min(sum(map(len, documents)), config.limit or np.inf))
    trained = 1 - config.test - config.validation
    if config.validation_at == "beginning":
        order, starts = ("validation", "train", "test"), [0.0, config.validation, 1 - config.test]
    else:
        order, starts = ("train", "validation", "test"), [0.0, trained, 1 - config.test]
    borders = [int(total * start) for start in [*starts, 1.0]]
    parts, position = {part: [] for part in PARTS}, 0
    for document in documents:
        for part, start, end in zip(order, borders, borders[1:], strict=False):
            inside = document[max(0, start - position) : max(0, end - position)]
            parts[part] += [inside] if inside else []
        position += len(document)
    return [parts[part] for part in PARTS]
