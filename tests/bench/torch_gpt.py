"""The network of `zoo.GPT` as a PyTorch user would write it, to measure training beside."""

import math

import torch
from torch import nn
from torch.nn import functional

from zoo.transformer.block import EPSILON
from zoo.transformer.config import GPTConfig
from zoo.transformer.gpt import INITIAL_SPREAD


class TorchGPT(nn.Module):
    """RMSNorm, rotary positions, SwiGLU, tied embeddings, no biases: the defaults of `GPTConfig`.

    Call arguments:
        ids, targets: int64 `(B, T)`.

    Returns:
        The mean nats per token, a scalar.
    """

    def __init__(self, config: GPTConfig):
        super().__init__()
        self.embedding = nn.Embedding(config.vocabulary_size, config.width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, EPSILON)
        frequencies = config.rotary_base ** -(
            torch.arange(0, config.head_size, 2) / config.head_size
        )
        angles = torch.outer(torch.arange(config.context), frequencies)  # (T, D / 2)
        self.register_buffer("cosine", angles.cos())
        self.register_buffer("sine", angles.sin())
        last = INITIAL_SPREAD / math.sqrt(2 * config.layers)
        for name, value in self.named_parameters():
            if value.ndim == 2:
                branch_end = "merge" in name or "contract" in name
                nn.init.normal_(value, std=last if branch_end else INITIAL_SPREAD)

    def forward(self, ids: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        x = self.embedding(ids)
        for block in self.blocks:
            x = block(x, self.cosine, self.sine)
        logits = functional.linear(self.norm(x), self.embedding.weight)
        return functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


class Block(nn.Module):
    """`x + attention(norm(x))`, then `x + feed_forward(norm(x))`."""

    def __init__(self, config: GPTConfig):
        super().__init__()
        width, hidden = config.width, config.hidden_width
        self.heads, self.dropout = config.heads, config.dropout
        self.attention_norm = nn.RMSNorm(width, EPSILON)
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.merge = nn.Linear(width, width, bias=False)
        self.feed_forward_norm = nn.RMSNorm(width, EPSILON)
        self.expand = nn.Linear(width, 2 * hidden, bias=False)
        self.contract = nn.Linear(hidden, width, bias=False)

    def forward(self, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        x = x + self._dropped(self._attention(self.attention_norm(x), cosine, sine))
        gate, value = self.expand(self.feed_forward_norm(x)).chunk(2, dim=-1)
        return x + self._dropped(self.contract(functional.silu(gate) * value))

    def _attention(self, x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
        batch, length, width = x.shape
        projected = self.project(x).view(batch, length, 3, self.heads, -1)
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # (B, heads, T, D) each
        query, key = turned(query, cosine, sine), turned(key, cosine, sine)
        mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.merge(mixed.transpose(1, 2).reshape(batch, length, width))

    def _dropped(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x, self.dropout, self.training)


def turned(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Turn pairs of values of `(B, heads, T, D)` by the angles of their position, `(T, D / 2)`."""
    cosine, sine = cosine.to(x.dtype), sine.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
