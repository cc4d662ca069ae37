"""What a Transformer is made of, as data."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from zoo.config import Config
from zoo.transformer.positions.scaling import RotaryScaling

Positive = Annotated[int, Field(gt=0)]
Layer = Annotated[int, Field(ge=0)]


class GPTConfig(Config):
    """Configuration of `zoo.GPT`.

    The defaults are the choices of Llama (Touvron et al. 2023) in a small size. Those of GPT-2
    (Radford et al. 2019) are `normalisation="layer"`, `positions="learned"`, `activation="gelu"`
    and `bias=True`.

    Args:
        vocabulary_size: tokens, special ones included; the tokenizer's size.
        context: most tokens that the model sees at once.
        layers: blocks of attention and feed-forward network.
        width: size of the vector that stands for a token; divisible by `heads` unless `head_width`
            is given.
        heads: of attention.
        head_width: of each head; 0 for `width / heads`.
        kv_heads: key and value heads, each shared by `heads / kv_heads` query heads (Ainslie et
            al. 2023); 0 for as many as `heads`.
        feed_forward: width within the feed-forward network; 0 for 4 times `width`, or with
            `swiglu`, whose gate is a third matrix, 8/3 times, rounded up to a multiple of 16.
        normalisation: `rms` (Zhang and Sennrich 2019) or `layer` (Ba et al. 2016).
        positions: `rotary` (Su et al. 2021), which turns queries and keys; `learned` vectors; or
            `relative` (Huang et al. 2018), vectors of distances that queries meet besides keys.
        activation: `gelu` (its tanh form, as in GPT-2), `gelu_exact` or `swiglu` (Shazeer 2020).
        tied_embeddings: predict tokens with the matrix that embeds them (Press and Wolf 2017).
        bias: whether the linear maps have biases, and LayerNorm its shift.
        attention_bias: which maps of attention have one, where that is not what `bias` says: `all`,
            `inputs` (to queries, keys and values), `none`.
        feed_forward_bias: whether the feed-forward network has them, where `bias` says otherwise.
        epsilon: of all normalisations, added to the mean square.
        query_key_norm: normalise each query and key (RMS) before it is turned (Henry et al. 2020,
            arXiv:2010.04245).
        dropout: share of values dropped from the embedding and from each residual branch while
            training.
        attention_dropout: share of the weights by which a token takes from others that is dropped
            while training; costs a random number for each pair of tokens.
        rotary_base: `rotary` only; the slowest angle turns once in about this many tokens.
        rotary_scaling: `rotary` only; how the angles are stretched.
        rotary_width: `rotary` only; how many values of each head are turned, the first ones; 0 for
            all.
        reach: `relative` only; distances that are told apart, further ones counting as the
            furthest; 0 for as many as the context has.
        unturned_layers: `rotary` only; layers, from 0, that have no positions at all (Kazemnejad et
            al. 2023, arXiv:2305.19466).
        windows: for each layer, the tokens that one sees, itself included; 0 for all (Beltagy et
            al. 2020, arXiv:2004.05150). None given: all, in every layer.

    Example:
        >>> config = GPTConfig(vocabulary_size=65, width=64, heads=2, head_width=48)
        >>> config.head_size, config.model_dump()["head_width"], "windows" in config.model_dump()
        (48, 48, False)
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
    positions: Literal["rotary", "learned", "relative"] = "rotary"
    activation: Literal["gelu", "gelu_exact", "swiglu"] = "swiglu"
    tied_embeddings: bool = True
    bias: bool = False
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    attention_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    rotary_base: Annotated[float, Field(gt=1)] = 10000.0
    head_width: Annotated[int, Field(ge=0)] = 0
    attention_bias: Literal["all", "inputs", "none"] | None = None
    feed_forward_bias: bool | None = None
    epsilon: Annotated[float, Field(gt=0)] = 1e-5
    query_key_norm: bool = False
    rotary_scaling: RotaryScaling | None = None
    rotary_width: Annotated[int, Field(ge=0)] = 0
    unturned_layers: tuple[Layer, ...] = ()
    windows: tuple[Layer, ...] = ()
    reach: Annotated[int, Field(ge=0)] = 0

    later: ClassVar[tuple[str, ...]] = (
        "head_width",
        "attention_bias",
        "feed_forward_bias",
        "epsilon",
        "query_key_norm",
        "rotary_scaling",
        "rotary_width",
        "unturned_layers",
        "windows",
        "reach",
    )

    @model_validator(mode="after")
    def _heads_hold_together(self) -> Self:
        if not self.head_width and self.width % self.heads:
            raise ValueError(
                f"width {self.width} does not divide into {self.heads} heads; "
                "make width a multiple of heads, or give head_width"
            )
        if self.heads % self.key_value_heads:
            raise ValueError(
                f"{self.heads} heads cannot share {self.kv_heads} kv_heads equally; "
                "make kv_heads a divisor of heads"
            )
        if self.positions == "rotary" and (self.turned_width % 2 or self.turned_width < 2):
            what = "rotary_width" if self.rotary_width else "width / heads"
            raise ValueError(
                f"heads are {self.turned_width} wide and rotary positions turn pairs of values; "
                f"make {what} even"
            )
        if self.rotary_width > self.head_size:
            raise ValueError(f"rotary_width {self.rotary_width} exceeds heads of {self.head_size}")
        return self

    @model_validator(mode="after")
    def _layers_hold_together(self) -> Self:
        if self.windows and len(self.windows) != self.layers:
            raise ValueError(
                f"windows are given for {len(self.windows)} layers, and there are {self.layers}"
            )
        if any(layer >= self.layers for layer in self.unturned_layers):
            raise ValueError(
                f"unturned_layers {list(self.unturned_layers)} go beyond the {self.layers} layers, "
                "which are counted from 0"
            )
        for key in ("rotary_scaling", "rotary_width", "unturned_layers"):
            if self.positions != "rotary" and getattr(self, key):
                raise ValueError(f"{key} goes with positions 'rotary', not '{self.positions}'")
        if self.reach and self.positions != "relative":
            raise ValueError(f"reach goes with positions 'relative', not '{self.positions}'")
        return self

    @property
    def causal(self) -> bool:
        """Whether a token sees those before it alone, or all."""
        return True

    @property
    def head_size(self) -> int:
        """Width of one head."""
        return self.head_width or self.width // self.heads

    @property
    def turned_width(self) -> int:
        """How many values of each head rotary positions turn."""
        return self.rotary_width or self.head_size

    def window(self, layer: int) -> int:
        """Return how many tokens one sees in a layer, itself included; 0 for all of the context."""
        window = self.windows[layer] if self.windows else 0
        return window if window < self.context else 0

    def biased(self, part: Literal["inputs", "output", "feed_forward"]) -> bool:
        """Say whether linear maps have biases: those into attention, out of it, or after it."""
        if part == "feed_forward":
            return self.bias if self.feed_forward_bias is None else self.feed_forward_bias
        if self.attention_bias is None:
            return self.bias
        return self.attention_bias == "all" or (self.attention_bias, part) == ("inputs", "inputs")

    @property
    def key_value_heads(self) -> int:
        """Number of key and value heads, which `kv_heads` may leave open."""
        return self.kv_heads or self.heads

    @property
    def hidden_width(self) -> int:
        """Width within the feed-forward network, which `feed_forward` may leave open."""
        if self.feed_forward:
            return self.feed_forward
        if self.activation != "swiglu":
            return 4 * self.width
        return -(-8 * self.width // 48) * 16  # 8/3 of the width, up to the next multiple of 16
