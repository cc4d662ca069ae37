"""What an encoder-decoder Transformer is made of, as data."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo.config import Config
from zoo.transformer.config import GPTConfig, Positive

Share = Annotated[float, Field(ge=0, lt=1)]


class TranslationConfig(Config):
    """Configuration of `zoo.Translator`.

    Its layers are those of `zoo.GPT`, the decoder's with attention to what the encoder made of the
    source between attention to what is written and the network for each token.

    Args:
        vocabulary_size: tokens of both languages, special ones included; the tokenizer's size.
        context: most tokens of a source, and of what is written.
        encoder_layers, decoder_layers: of each half.
        width: size of the vector that stands for a token; divisible by `heads`.
        heads: of attention.
        feed_forward: width within the feed-forward network; see `GPTConfig`.
        normalisation: `rms` or `layer`; see `GPTConfig`.
        positions: `rotary` (Su et al. 2021) within each half, or `relative`: a learned number for
            each distance of two tokens, added to their score (Raffel et al. 2020, section 2.1).
        relative_buckets: `relative` only; numbers of each head. The small distances have one each,
            the others share them.
        relative_distance: `relative` only; from here on all distances are alike.
        activation: `gelu`, `gelu_exact` or `swiglu`; see `GPTConfig`.
        tied_embeddings: predict tokens with the matrix that embeds them, of source and target.
        bias: whether the linear maps have biases.
        dropout: share of values dropped from embeddings and residual branches while training.
        attention_dropout: share of the weights of attention dropped while training.
        label_smoothing: share of the target that is spread over all tokens while training
            (Szegedy et al. 2016; Vaswani et al. 2017, section 5.4).

    Example:
        >>> config = TranslationConfig(vocabulary_size=300, width=32, heads=2)
        >>> config.stack(config.decoder_layers).head_size
        16
    """

    family: Literal["translation"] = "translation"
    vocabulary_size: Positive
    context: Positive = 128
    encoder_layers: Positive = 3
    decoder_layers: Positive = 3
    width: Positive = 192
    heads: Positive = 6
    feed_forward: Annotated[int, Field(ge=0)] = 0
    normalisation: Literal["rms", "layer"] = "rms"
    positions: Literal["rotary", "relative"] = "rotary"
    relative_buckets: Annotated[int, Field(ge=4)] = 32
    relative_distance: Annotated[int, Field(ge=2)] = 128
    activation: Literal["gelu", "gelu_exact", "swiglu"] = "swiglu"
    tied_embeddings: bool = True
    bias: bool = False
    dropout: Share = 0.1
    attention_dropout: Share = 0.0
    label_smoothing: Share = 0.1

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        self.stack(self.encoder_layers)  # says what is wrong with heads and widths
        if self.relative_distance <= self.relative_buckets // 2:
            raise ValueError(
                f"relative_distance {self.relative_distance} leaves no distances to share "
                f"{self.relative_buckets} relative_buckets; make it more than half of them"
            )
        return self

    def stack(self, layers: int) -> GPTConfig:
        """Return what the layers of one half are made of."""
        return GPTConfig(
            vocabulary_size=self.vocabulary_size,
            context=self.context,
            layers=layers,
            width=self.width,
            heads=self.heads,
            feed_forward=self.feed_forward,
            normalisation=self.normalisation,
            activation=self.activation,
            bias=self.bias,
            dropout=self.dropout,
            attention_dropout=self.attention_dropout,
        )
