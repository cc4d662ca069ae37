"""What a masked language model is made of, as data."""

from typing import Literal, Self

from pydantic import model_validator

from zoo.transformer.config import GPTConfig, Positive


class MaskedConfig(GPTConfig):
    """Configuration of `zoo.MaskedLanguageModel`: that of a Transformer, without order.

    Each token sees all others. Unlike BERT (Devlin et al. 2019) it normalises before each layer and
    has rotary positions, as ModernBERT (Warner et al. 2024, arXiv:2412.13663) does.

    Example:
        >>> config = MaskedConfig(vocabulary_size=300, width=32, heads=2)
        >>> config.causal, config.head_size
        (False, 16)
    """

    family: Literal["masked"] = "masked"
    vocabulary_size: Positive
    context: Positive = 128

    @model_validator(mode="after")
    def _sees_all(self) -> Self:
        if self.windows:
            raise ValueError(
                "windows end with the token itself, and a masked language model looks ahead too; "
                "leave them out"
            )
        return self

    @property
    def causal(self) -> bool:
        """Whether a token sees those before it alone: here it sees all."""
        return False
