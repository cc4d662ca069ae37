"""Transformers: language models that predict the next token."""

from zoo.transformer.config import GPTConfig
from zoo.transformer.gpt import GPT

__all__ = ["GPT", "GPTConfig"]
