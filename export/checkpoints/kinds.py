"""Which of the networks that others know a Transformer is, if any."""

from collections.abc import Sequence
from dataclasses import dataclass

from zoo.transformer.config import GPTConfig

# Keys of a configuration that are understood here. Any other changes the mathematics, as far as
# is known, unless it says what it says by default.
UNDERSTOOD = frozenset(
    {
        "family",
        "vocabulary_size",
        "context",
        "layers",
        "width",
        "heads",
        "kv_heads",
        "feed_forward",
        "normalisation",
        "positions",
        "activation",
        "tied_embeddings",
        "bias",
        "dropout",
        "attention_dropout",
        "rotary_base",
        "epsilon",
    }
)
CHOICES = ("normalisation", "positions", "activation")


@dataclass(frozen=True)
class Kind:
    """A network that others know.

    Attributes:
        name: what they call it.
        normalisation, positions, activation: what it has of these, as `GPTConfig` calls it.
        grouped: whether query heads may share a key head.
    """

    name: str
    normalisation: str
    positions: str
    activation: str
    grouped: bool = True

    def fits(self, config: GPTConfig) -> bool:
        """Say whether a Transformer is one of these."""
        alike = all(getattr(config, key) == getattr(self, key) for key in CHOICES)
        return alike and (self.grouped or config.key_value_heads == config.heads)

    def __str__(self) -> str:
        ungrouped = "" if self.grouped else ", a key head for each head"
        choices = ", ".join(getattr(self, key) for key in CHOICES)
        return f"{self.name} ({choices}{ungrouped})"


def kind_of(config: GPTConfig, known: Sequence[Kind]) -> Kind | None:
    """Return the first kind that a Transformer is; None where it is none of them.

    Example:
        >>> llama = Kind("llama", "rms", "rotary", "swiglu")
        >>> kind_of(GPTConfig(vocabulary_size=65), [llama]).name
        'llama'
        >>> kind_of(GPTConfig(vocabulary_size=65, activation="gelu"), [llama])
    """
    if unknown(config):
        return None
    return next((kind for kind in known if kind.fits(config)), None)


def unknown(config: GPTConfig) -> str:
    """Return the first key that is not understood and does not say what it says by default."""
    fields = type(config).model_fields
    others = (key for key in fields if key not in UNDERSTOOD)
    return next((key for key in others if getattr(config, key) != fields[key].default), "")


def refusal(config: GPTConfig, known: Sequence[Kind], who: str) -> str:
    """Say in one line why a Transformer is none of the kinds that a program knows.

    Example:
        >>> odd = GPTConfig(vocabulary_size=65, positions="learned")
        >>> refusal(odd, [Kind("llama", "rms", "rotary", "swiglu")], "X").split("; ")[1]
        'it has llama (rms, rotary, swiglu)'
    """
    if key := unknown(config):
        return f"the network has {key} {getattr(config, key)!r}, which is not understood yet"
    choices = ", ".join(getattr(config, key) for key in CHOICES)
    heads = f"{config.key_value_heads} key heads for {config.heads}"
    return f"{who} has no network of {choices}, {heads}; it has {', '.join(map(str, known))}"
