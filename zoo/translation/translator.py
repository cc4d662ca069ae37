"""A translator as Keras trains it."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from keras import KerasTensor, ops

from zoo.data.tokenizers import EOS
from zoo.training import replicas
from zoo.training.accumulation import Accumulating
from zoo.transformer.network import MASKED
from zoo.translation.config import TranslationConfig
from zoo.translation.losses import smoothed_nats
from zoo.translation.network import EncoderDecoder, Past


class Translator(Accumulating):
    """Encoder-decoder Transformer that writes a target from a source.

    Args:
        config: a `TranslationConfig`, or its values as a dict.
        seed: of the dropout.

    Call arguments:
        inputs: a dict, as of `zoo.translation.network.EncoderDecoder`.
        training: whether to drop out.

    Returns:
        Logits of the token after each that is written, float32 `(B, T, vocabulary_size)`.

    Example:
        >>> import numpy as np
        >>> config = TranslationConfig(vocabulary_size=65, width=16, heads=2)
        >>> model = Translator(config)
        >>> source, target = np.arange(10).reshape(2, 5), np.arange(6).reshape(2, 3)
        >>> model({"input_ids": source, "decoder_input_ids": target}).shape
        TensorShape([2, 3, 65])

    Reference:
        Vaswani et al. 2017 (arXiv:1706.03762).
    """

    def __init__(self, config: TranslationConfig | dict[str, Any], seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(config, TranslationConfig):
            config = TranslationConfig.parse(config, "Translator")
        self.config, self.seed = config, seed
        self.dropout_seed = keras.random.SeedGenerator(seed)
        self.network = EncoderDecoder(config, self.dropout_seed, name="network")
        self._only_end = np.full(config.vocabulary_size, MASKED, np.float32)
        self._only_end[EOS] = 0
        self.build()

    def build(self, input_shape: Any = None) -> None:
        self.network.build()

    def call(self, inputs: dict[str, KerasTensor], training: bool = False) -> KerasTensor:
        return self.network(inputs, training=training)

    def encode(self, input_ids: KerasTensor, attention_mask: KerasTensor) -> KerasTensor:
        """Read sources: `(B, S)` each -> `(B, S, W)`; see `EncoderDecoder.encode`."""
        with _one_token():
            return self.network.encode(input_ids, attention_mask)

    def decode(
        self, ids: KerasTensor, states: KerasTensor, mask: KerasTensor, past: Past
    ) -> tuple[KerasTensor, Past]:
        """Read on in what is written; see `EncoderDecoder.decode`.

        After the end, whatever is read, comes the end again: transformers.js goes on with a text
        that has ended, for as long as another of its batch has not.
        """
        with _one_token():
            logits, present = self.network.decode(ids, states, mask, past)
        ended = ops.cast(ops.expand_dims(ops.equal(ids, EOS), 2), logits.dtype)  # (B, T, 1)
        return logits + ended * self._only_end, present

    def empty_past(self, batch: int) -> Past:
        """Return the `past` of nothing read yet, for `batch` rows."""
        size = self.config.width // self.config.heads
        nothing = ops.zeros((batch, self.config.heads, 0, size), self.compute_dtype)
        return [(nothing,) * 4 for _ in range(self.config.decoder_layers)]

    # --- training ---

    def compute_loss(
        self,
        x: Any = None,
        y: KerasTensor | None = None,
        y_pred: KerasTensor | None = None,
        sample_weight: KerasTensor | None = None,
        training: bool = True,
    ) -> KerasTensor:
        """Return the mean nats per token, ready to be summed over replicas.

        Args:
            x: not used.
            y: the tokens to predict, int `(B, T)`.
            y_pred: logits `(B, T, V)`.
            sample_weight: `(B, T)`; 0 for padding.
            training: whether targets are smoothed.
        """
        smoothing = self.config.label_smoothing if training else 0.0
        nats, weight = smoothed_nats(y, y_pred, smoothing), ops.cast(sample_weight, "float32")
        return replicas.scale_loss(replicas.global_weighted_mean(nats, weight))

    def weight(self, data: tuple[Any, ...]) -> KerasTensor:
        """Return the number of tokens of a batch that count."""
        return ops.sum(ops.cast(data[2], "float32"))

    @property
    def seeds(self) -> list[keras.random.SeedGenerator]:
        return [self.dropout_seed]

    def validation_loss(self, batch: tuple[Any, ...]) -> KerasTensor:
        """Return the mean nats per token of a batch, of targets as they are."""
        inputs, targets, weights = batch
        logits = self(inputs)
        return self.compute_loss(y=targets, y_pred=logits, sample_weight=weights, training=False)

    def get_config(self) -> dict[str, Any]:
        """Return what `Translator(**config)` rebuilds the model from."""
        return {"config": self.config.model_dump(), "seed": self.seed, "name": self.name}


@contextmanager
def _one_token() -> Iterator[None]:
    """Let a token attend to one alone, of which Keras would warn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "You are using a softmax", UserWarning)
        yield
