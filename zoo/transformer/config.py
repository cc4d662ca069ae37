"""What a Transformer is made of, as data."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from zoo.config import Config

Positive = Annotated[int, Field(gt=0)]


class GPTConfig(Config):
    """Configuration of `zoo.GPT`.

    The defaults are the choices of Llama (Touvron et al. 2023) in a small size. Those of GPT-2
    (Radford et al. 2019) are `normalisation="layer"`, `positions="learned"`, `activation="gelu"`
    and `bias=True`.

    Args:
        vocabulary_size: tokens, special ones included; the tokenizer's size.
        context: most tokens that the model sees at once.
        layers: blocks of attention and feed-forward network.
        width: size of the vector that stands for a token; divisible by `heads`.
        heads: of attention, `width / heads` wide each.
        kv_heads: key and value heads, each shared by `heads / kv_heads` query heads (Ainslie et
            al. 2023); 0 for as many as `heads`.
        feed_forward: width within the feed-forward network; 0 for 4 times `width`, or with
            `swiglu`, whose gate is a third matrix, 8/3 times, rounded up to a multiple of 16.
        normalisation: `rms` (Zhang and Sennrich 2019) or `layer` (Ba et al. 2016).
        positions: `rotary` (Su et al. 2021), which turns queries and keys, or `learned` vectors.
        activation: `gelu` (its tanh form, as in GPT-2) or `swiglu` (Shazeer 2020).
        tied_embeddings: predict tokens with the matrix that embeds them (Press and Wolf 2017).
        bias: whether the linear maps have biases, and LayerNorm its shift.
        dropout: share of values dropped from the embedding and from each residual branch while
            training.
        attention_dropout: share of the weights by which a token takes from others that is dropped
            while training; costs a random number for each pair of tokens.
        rotary_base: `rotary` only; the slowest angle turns once in about this many tokens.
    """

    family: Literal["transformer"] = "transformer"
    vocabulary_size: Positive
    context: Positive = 256
    layers: Positive = 4
    width: Positive = 256
    heads: Positive = 8
    kv_heads: Annotated[int, Field(ge=0)] = 0
    feed_forward: Annotated[int, Field(ge=0)] = 0
    normalisation: Literal["rms", "layer"] = "rms"
    positions: Literal["rotary", "learned"] = "rotary"
    activation: Literal["gelu", "swiglu"] = "swiglu"
    tied_embeddings: bool = True
    bias: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    attention_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    rotary_base: Annotated[float, Field(gt=1)] = 10000.0

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        if self.width % self.heads:
            raise ValueError(
                f"width {self.width} does not divide into {self.heads} heads; "
                "make width a multiple of heads"
            )
        if self.heads % self.key_value_heads:
            raise ValueError(
                f"{self.heads} heads cannot share {self.kv_heads} kv_heads equally; "
                "make kv_heads a divisor of heads"
            )
        if self.positions == "rotary" and self.head_size % 2:
            raise ValueError(
                f"heads are {self.head_size} wide and rotary positions turn pairs of values; "
                "make width / heads even"
            )
        return self

    @property
    def head_size(self) -> int:
        """Width of one head."""
        return self.width // self.heads

    @property
    def key_value_heads(self) -> int:
        """Number of key and value heads, which `kv_heads` may leave open."""
        return self.kv_heads or self.heads

    @property
    def hidden_width(self) -> int:
        """Width within the feed-forward network, which `feed_forward` may leave open."""
        if self.feed_forward:
            return self.feed_forward
        if self.activation == "gelu":
            return 4 * self.width
        return -(-8 * self.width // 48) * 16  # 8/3 of the width, up to the next multiple of 16
