"""Text as batches with hidden tokens: cut into rows, hidden at random, the same for the same seed.

Of the tokens that are to be predicted, 80 % are hidden, 10 % are replaced by any others and 10 %
stay as they are, so that the model has to make something of each token, hidden or not.

References:
    Devlin et al. 2019, BERT (arXiv:1810.04805), section 3.1; appendix A.2 for short rows.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import tensorflow as tf
import tokenizers as library
from pydantic import Field

from serving.text.masked.filler import MASK
from zoo.data import tokenizers
from zoo.data.text import Text, TextConfig

MASK_ID = len(tokenizers.SPECIAL)  # the first token after those that all tokenizers have
ORDINARY = MASK_ID + 1  # the first that is no special one
HIDDEN, REPLACED = 0.8, 0.1  # shares of the tokens that are to be predicted
# What other programs call the special tokens.
READERS = {
    "mask_token": MASK,
    "cls_token": tokenizers.SPECIAL[tokenizers.BOS],
    "sep_token": tokenizers.SPECIAL[tokenizers.EOS],
}
FRAME = 2  # tokens around each text
SHORTEST = 4  # tokens of a row
ONE_IN = 7  # tokens that are hidden at the same time, where a text is measured

Batch = tuple[dict[str, tf.Tensor], tf.Tensor, tf.Tensor]
Arrays = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]

_WORD = re.compile(r"Ġ[^\W\d_]+")  # a space and letters, as byte-level tokens are written


class MaskedTextConfig(TextConfig):
    """The `[data]` table of a recipe of masked language models: that of a text, and what is hidden.

    Args:
        masked: share of the tokens that are to be predicted.
        short: share of rows that end before the context does, so that the model knows short texts.

    Example:
        >>> MaskedTextConfig(name="python_topics", vocabulary_size=300).masked
        0.15
    """

    tokenizer: Literal["bpe"] = "bpe"
    styles: None = None  # which are told before a text that is written on
    masked: Annotated[float, Field(gt=0, lt=1)] = 0.15
    short: Annotated[float, Field(ge=0, le=1)] = 0.5

    def byte_pairs(
        self, texts: list[str], special: Sequence[str | library.AddedToken] = ()
    ) -> library.Tokenizer:
        """Return a tokenizer that knows `[MASK]`, which takes the space before it along."""
        # As the tokens of words do: "to [MASK]" has as many tokens as "to be".
        mask = library.AddedToken(MASK, lstrip=True, special=True, normalized=False)
        made = tokenizers.bpe_tokenizer(texts, self.vocabulary_size, [mask, *special])
        return tokenizers.frame_texts(made)


class MaskedText:
    """The text of a recipe, ready to train on and to evaluate.

    Args:
        config: the `[data]` table.
        context: tokens T that the model sees at once, those around a text included.
        vocabulary_size: tokens that the model knows, to be checked.
        tokenizer: of the model; made from the corpus if there is none yet.

    Attributes:
        text: the corpus in parts; see `zoo.data.text.Text`.

    Raises:
        UsageError: the corpus cannot be had, or does not fit the model.

    Example:
        >>> config = MaskedTextConfig(name="python_topics", vocabulary_size=300, limit=20000)
        >>> batches = MaskedText(config, context=32).training_batches(8, seed=0)
        >>> inputs, targets, weights = next(iter(batches))
        >>> inputs["input_ids"].shape, inputs["places"].shape, targets.shape
        (TensorShape([8, 32]), TensorShape([8, 4]), TensorShape([8, 4]))
    """

    def __init__(
        self,
        config: MaskedTextConfig,
        context: int,
        vocabulary_size: int | None = None,
        tokenizer: library.Tokenizer | None = None,
    ):
        self.config, self.context = config, context
        self.text = Text(config, context - FRAME, vocabulary_size, tokenizer)
        self.size = self.text.tokenizer.get_vocab_size()
        written = sorted(self.text.tokenizer.get_vocab().items(), key=lambda pair: pair[1])
        self._written = np.array([token for token, _ in written], object)

    def tokens(self, part: str) -> np.ndarray:
        """Return all tokens of `train`, `validation` or `test`, int32 `(N,)`."""
        return self.text.tokens(part)

    def steps_per_epoch(self, batch_size: int) -> int:
        """Number of batches that have room for as many tokens as the training part."""
        return self.text.steps_per_epoch(batch_size)

    def training_batches(self, batch_size: int, seed: int, start: int = 0) -> tf.data.Dataset:
        """Return batches without end, of rows that begin with a line of the training part.

        Args:
            batch_size: rows per batch of all replicas together.
            seed: of where rows begin and end and of what is hidden.
            start: steps already done.

        Returns:
            A data set of the inputs of a `MaskedLanguageModel` with the `places` of the tokens to
            predict, these tokens, int32 `(B, M)`, and 1 for each, float32 `(B, M)`: 0 for what
            fills up the M of a short row.
        """
        length = self.context - FRAME
        with tf.device("CPU:0"):
            tokens = tf.constant(self.tokens("train"))
            begins = tf.constant(self._line_starts(length), tf.int32)

        def pick(step: tf.Tensor) -> Batch:
            own = tf.stack([tf.cast(seed, tf.int64), step])
            drawn = tf.random.stateless_uniform((batch_size, 2 + 3 * self.context), own)
            first, end = drawn[:, 0], drawn[:, 1]
            begin = tf.gather(begins, _whole(first, len(begins)))  # (B,)
            blocks = tf.gather(tokens, begin[:, None] + tf.range(length))  # (B, T - 2)
            lengths = self._lengths(end, length)
            return self._hidden(*framed(blocks, lengths), tf.split(drawn[:, 2:], 3, axis=1))

        steps = tf.data.Dataset.range(start, tf.int64.max)
        return steps.map(pick, num_parallel_calls=2, deterministic=True).prefetch(4)

    def measured(self, part: str, limit: int | None = None) -> Arrays:
        """Return a part in rows side by side, each so often that every token is hidden once.

        Args:
            part: of `train`, `validation` and `test`.
            limit: take only the first so many tokens.

        Returns:
            Inputs without `places`, targets `(rows, T)`, and 1 for those that are hidden, as NumPy
            arrays. One token in `ONE_IN` is hidden at a time, and all of these by `[MASK]`.
        """
        tokens, length = self.tokens(part)[:limit], self.context - FRAME
        count = -(-len(tokens) // length)
        blocks = np.full(count * length, tokenizers.PAD, np.int32)
        blocks[: len(tokens)] = tokens
        lengths = np.full(count, length, np.int32)
        lengths[-1] = len(tokens) - (count - 1) * length
        ids, mask = map(np.asarray, framed(blocks.reshape(count, length), lengths))
        places = np.arange(self.context) - 1
        inside = (places >= 0) & (places < lengths[:, None])  # (rows, T)
        rows = [inside & (places % ONE_IN == offset) for offset in range(ONE_IN)]
        hidden = np.concatenate(rows)
        targets, mask = np.tile(ids, (ONE_IN, 1)), np.tile(mask, (ONE_IN, 1))
        inputs = {"input_ids": np.where(hidden, MASK_ID, targets), "attention_mask": mask}
        return inputs, targets, hidden.astype(np.float32)

    def words(self, part: str) -> tuple[np.ndarray, float]:
        """Return where words are that are one token, and the share of words that are.

        A word is letters after a space, with no letters behind.
        """
        written = self._written[self.tokens(part)]
        begins = np.array([bool(_WORD.match(each)) for each in written])
        whole = np.array([bool(_WORD.fullmatch(each)) for each in written])
        letters = np.array([each[:1].isalpha() and each[0] != "Ġ" for each in written])
        whole &= ~np.append(letters[1:], False)
        return np.flatnonzero(whole), float(whole.sum() / max(1, begins.sum()))

    @property
    def word_tokens(self) -> np.ndarray:
        """Which tokens can be a word of `words`, bool `(V,)`."""
        return np.array([bool(_WORD.fullmatch(each)) for each in self._written])

    def _line_starts(self, length: int) -> np.ndarray:
        """Return the places in the training part at which rows can begin."""
        tokens = self.tokens("train")
        breaks = np.array([each.endswith("Ċ") for each in self._written])
        starts = np.append(0, 1 + np.flatnonzero(breaks[tokens]))
        starts = starts[starts <= len(tokens) - length]
        few = len(starts) < len(tokens) / length  # as in a text of one long line
        return np.arange(len(tokens) - length + 1) if few else starts

    def _lengths(self, share: tf.Tensor, length: int) -> tf.Tensor:
        """Choose how many tokens rows have: all they can, or any other number."""
        short = self.config.short
        fewest = min(SHORTEST, length)
        some = fewest + _whole(share / max(short, 1e-9), length - fewest + 1)
        return tf.where(share < short, some, length)

    def _hidden(self, ids: tf.Tensor, mask: tf.Tensor, drawn: list[tf.Tensor]) -> Batch:
        """Hide some tokens of framed rows, by random numbers `(B, T)` each."""
        order, kind, other = drawn
        ordinary = ids >= ORDINARY
        wanted = self._share(tf.reduce_sum(tf.cast(ordinary, tf.float32), axis=1))  # (B,)
        most = int(self._share(tf.constant(self.context - FRAME, tf.float32)))
        places = tf.argsort(tf.where(ordinary, order, 2.0), axis=1)  # those to predict come first
        chosen = tf.argsort(places, axis=1) < wanted[:, None]  # (B, T)
        others = ORDINARY + _whole(other, self.size - ORDINARY)
        seen = tf.where(kind < HIDDEN, MASK_ID, tf.where(kind < HIDDEN + REPLACED, others, ids))
        places = places[:, :most]  # (B, M)
        inputs = {
            "input_ids": tf.where(chosen, seen, ids),
            "attention_mask": mask,
            "places": places,
        }
        weights = tf.cast(tf.range(most) < wanted[:, None], tf.float32)
        return inputs, tf.gather(ids, places, batch_dims=1), weights

    def _share(self, count: tf.Tensor) -> tf.Tensor:
        """Return how many of so many tokens are to be predicted: one at least."""
        return tf.maximum(1, tf.cast(tf.round(count * self.config.masked), tf.int32))


def framed(blocks: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Put rows between the tokens that begin and end a text.

    Args:
        blocks: int32 `(B, T - 2)`.
        lengths: how many of each row are of the text, `(B,)`.

    Returns:
        Tokens and mask, int32 `(B, T)`.
    """
    rows, length = blocks.shape
    places = tf.range(length + FRAME)
    begin, end = tf.fill((rows, 1), tokenizers.BOS), tf.fill((rows, 1), tokenizers.PAD)
    ids = tf.concat([begin, blocks, end], axis=1)  # (B, T)
    last = 1 + tf.cast(lengths, tf.int32)[:, None]
    ids = tf.where(places < last, ids, tf.where(places == last, tokenizers.EOS, tokenizers.PAD))
    return ids, tf.cast(places <= last, tf.int32)


def _whole(share: tf.Tensor, count: int) -> tf.Tensor:
    """Turn numbers in [0, 1) into whole ones below a count."""
    return tf.minimum(tf.cast(share * count, tf.int32), count - 1)
