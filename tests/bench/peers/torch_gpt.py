"""The network of `zoo.GPT` as a PyTorch user would write it, to measure beside.

Nothing of TensorFlow is loaded with it, so that memory and loading can be measured too.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from tests.bench.weights import carry

if TYPE_CHECKING:
    from zoo.transformer import GPT, GPTConfig

EPSILON = 1e-5  # of both normalisations
INITIAL_SPREAD = 0.02  # standard deviation of initial weights

Pair = tuple[torch.Tensor, torch.Tensor]


class TorchGPT(nn.Module):
    """RMSNorm, rotary positions, SwiGLU, tied embeddings, no biases: the defaults of `GPTConfig`.

    Call arguments:
        ids, targets: int64 `(B, T)`.

    Returns:
        The mean nats per token, a scalar.
    """

    def __init__(self, config: "GPTConfig"):
        super().__init__()
        self.cache_shape = (1, config.heads, config.context, config.head_size)
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

    def empty_cache(self) -> list[Pair]:
        """Return room for the keys and values of one text, a pair for each layer."""
        empty = self.embedding.weight.new_zeros
        return [(empty(self.cache_shape), empty(self.cache_shape)) for _ in self.blocks]

    def read(self, ids: torch.Tensor, places: torch.Tensor, cache: list[Pair]) -> torch.Tensor:
        """Read on in one text, write into its cache, and return the logits that follow, `(1, V)`.

        Args:
            ids: int64 `(1, T)`.
            places: where they are in the text, `(T,)`.
            cache: of `empty_cache`.
        """
        x, window = self.embedding(ids), self.cache_shape[2]
        seen = torch.arange(window, device=places.device) <= places[:, None]  # (T, context)
        cosine, sine = self.cosine[places], self.sine[places]
        for block, pair in zip(self.blocks, cache, strict=True):
            x = block(x, cosine, sine, (pair, places, seen))
        return functional.linear(self.norm(x[:, -1]), self.embedding.weight)

    def take(self, ours: "GPT") -> None:
        """Take the weights of the same network in Keras."""
        carry(self.embedding.weight, ours.token_embedding.embeddings)
        for mine, block in zip(self.blocks, ours.blocks, strict=True):
            carry(mine.attention_norm.weight, block.attention_norm.scale)
            carry(mine.project.weight, block.attention.project.kernel, (1, 0))
            carry(mine.merge.weight, block.attention.merge.kernel, (1, 0))
            carry(mine.feed_forward_norm.weight, block.feed_forward_norm.scale)
            carry(mine.expand.weight, block.feed_forward.expand.kernel, (1, 0))
            carry(mine.contract.weight, block.feed_forward.contract.kernel, (1, 0))
        carry(self.norm.weight, ours.final_norm.scale)


class Block(nn.Module):
    """`x + attention(norm(x))`, then `x + feed_forward(norm(x))`."""

    def __init__(self, config: "GPTConfig"):
        super().__init__()
        width, hidden = config.width, config.hidden_width
        self.heads, self.dropout = config.heads, config.dropout
        self.attention_norm = nn.RMSNorm(width, EPSILON)
        self.project = nn.Linear(width, 3 * width, bias=False)
        self.merge = nn.Linear(width, width, bias=False)
        self.feed_forward_norm = nn.RMSNorm(width, EPSILON)
        self.expand = nn.Linear(width, 2 * hidden, bias=False)
        self.contract = nn.Linear(hidden, width, bias=False)

    def forward(
        self,
        x: torch.Tensor,
        cosine: torch.Tensor,
        sine: torch.Tensor,
        before: tuple[Pair, torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        x = x + self._dropped(self._attention(self.attention_norm(x), cosine, sine, before))
        gate, value = self.expand(self.feed_forward_norm(x)).chunk(2, dim=-1)
        return x + self._dropped(self.contract(functional.silu(gate) * value))

    def _attention(
        self,
        x: torch.Tensor,
        cosine: torch.Tensor,
        sine: torch.Tensor,
        before: tuple[Pair, torch.Tensor, torch.Tensor] | None,
    ) -> torch.Tensor:
        batch, length, width = x.shape
        projected = self.project(x).view(batch, length, 3, self.heads, -1)
        query, key, value = projected.permute(2, 0, 3, 1, 4)  # (B, heads, T, D) each
        query, key = turned(query, cosine, sine), turned(key, cosine, sine)
        if before is None:
            mixed = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        else:
            (keys, values), places, seen = before
            keys.index_copy_(2, places, key)
            values.index_copy_(2, places, value)
            mixed = functional.scaled_dot_product_attention(query, keys, values, attn_mask=seen)
        return self.merge(mixed.transpose(1, 2).reshape(batch, length, width))

    def _dropped(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x, self.dropout, self.training)


def turned(x: torch.Tensor, cosine: torch.Tensor, sine: torch.Tensor) -> torch.Tensor:
    """Turn pairs of values of `(B, heads, T, D)` by the angles of their position, `(T, D / 2)`."""
    cosine, sine = cosine.to(x.dtype), sine.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
