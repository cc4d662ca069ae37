"""The weights of a Transformer, taken apart as everybody else keeps them.

Here queries, keys and values are one matrix and so are gate and expansion, with a column for each
output. Elsewhere each is a matrix of its own, with a row for each output.
"""

from dataclasses import dataclass

import numpy as np

from zoo.transformer import GPT
from zoo.transformer.block import Block
from zoo.transformer.config import GPTConfig


@dataclass(frozen=True)
class Linear:
    """A linear map: `weight` `(outputs, inputs)`, and `bias` `(outputs,)` or None."""

    weight: np.ndarray
    bias: np.ndarray | None = None

    @property
    def biased(self) -> "Linear":
        """The same map with a bias, be it of zeros."""
        if self.bias is not None:
            return self
        return Linear(self.weight, np.zeros(len(self.weight), np.float32))


@dataclass(frozen=True)
class Norm:
    """A normalisation: `scale` `(W,)`, and `shift` `(W,)` or None."""

    scale: np.ndarray
    shift: np.ndarray | None = None

    @property
    def shifted(self) -> "Norm":
        """The same normalisation with a shift, be it of zeros."""
        return self if self.shift is not None else Norm(self.scale, np.zeros_like(self.scale))


@dataclass(frozen=True)
class Layer:
    """One block; `gate` is None where the feed-forward network has none."""

    attention_norm: Norm
    query: Linear
    key: Linear
    value: Linear
    merge: Linear
    feed_forward_norm: Norm
    gate: Linear | None
    expand: Linear
    contract: Linear

    @property
    def joined(self) -> Linear:
        """Queries, keys and values as one map, one after the other."""
        maps = (self.query, self.key, self.value)
        weight = np.concatenate([each.weight for each in maps])  # (queries + keys + values, W)
        biases = [each.bias for each in maps if each.bias is not None]
        return Linear(weight, np.concatenate(biases) if biases else None)


@dataclass(frozen=True)
class Network:
    """A whole Transformer, in float32.

    Attributes:
        config: of the Transformer.
        embedding: `(V, W)`.
        positions: vectors of the places `(context, W)`; None where they are rotary.
        layers: from the first that reads to the last.
        final_norm: before the logits.
        head: predicts tokens, `(V, W)`; None where the embedding does.
    """

    config: GPTConfig
    embedding: np.ndarray
    positions: np.ndarray | None
    layers: tuple[Layer, ...]
    final_norm: Norm
    head: np.ndarray | None


def network_of(model: GPT) -> Network:
    """Return the weights of a model.

    Example:
        >>> from zoo.transformer import GPTConfig
        >>> model = GPT(GPTConfig(vocabulary_size=65, layers=2, width=16, heads=2))
        >>> network_of(model).layers[1].key.weight.shape
        (16, 16)
    """
    config, embedding = model.config, model.token_embedding
    places = model.position_embedding
    return Network(
        config=config,
        embedding=np.asarray(embedding.embeddings),
        positions=None if places is None else np.asarray(places.embeddings),
        layers=tuple(_layer(block, config) for block in model.blocks),
        final_norm=_norm(model.final_norm),
        head=None if config.tied_embeddings else np.asarray(embedding.reverse_embeddings).T,
    )


def _layer(block: Block, config: GPTConfig) -> Layer:
    keys = config.key_value_heads * config.head_size
    queries = config.heads * config.head_size
    query, key, value = _split(block.attention.project, [queries, queries + keys])
    feed = block.feed_forward
    *gate, expand = _split(feed.expand, [feed.hidden_width] if feed.gated else [])
    (merge,), (contract,) = _split(block.attention.merge, []), _split(feed.contract, [])
    return Layer(
        attention_norm=_norm(block.attention_norm),
        query=query,
        key=key,
        value=value,
        merge=merge,
        feed_forward_norm=_norm(block.feed_forward_norm),
        gate=gate[0] if gate else None,
        expand=expand,
        contract=contract,
    )


def _split(dense, ends: list[int]) -> list[Linear]:
    """Return the maps that one matrix holds side by side, whose outputs end where it is said."""
    weights = np.split(np.asarray(dense.kernel).T, ends)  # (outputs, inputs) each
    if dense.bias is None:
        return [Linear(weight) for weight in weights]
    biases = np.split(np.asarray(dense.bias), ends)
    return [Linear(weight, bias) for weight, bias in zip(weights, biases, strict=True)]


def _norm(layer) -> Norm:
    scale, *shift = layer.get_weights()
    return Norm(scale, shift[0] if shift else None)
