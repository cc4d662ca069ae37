"""A Transformer with RMS normalisation as one with LayerNorm that computes the same.

LayerNorm takes the mean away and divides by the deviation; for vectors whose mean is 0 that is RMS
normalisation. So what runs through the layers, x of width W, is carried along as y = s A x of a
larger width M: the columns of A are orthogonal to each other, of length 1, and orthogonal to the
vector of ones, so the mean of y is 0 and its mean square, with s = sqrt(M / W), that of x. What
writes into the stream writes s A of it, and what reads from it reads through A transposed / s.

References:
    Ashkboos et al. 2024, SliceGPT (arXiv:2401.15024), section 3.1, go the other way.
"""

from dataclasses import replace

import numpy as np

from export.checkpoints.network import Layer, Linear, Network, Norm


def centred(network: Network, multiple: int = 1) -> Network:
    """Return a network with LayerNorm, wider by a key head or more with its queries.

    Logits are equal but for rounding. The heads that are added attend evenly to values of 0. Scales
    of normalisations move into the matrices that read what was normalised, so the head is no longer
    the embedding.

    Args:
        network: with RMS normalisation and rotary positions.
        multiple: of which the width shall be, if it can.

    Example:
        >>> from export.checkpoints.network import network_of
        >>> from zoo.transformer import GPT, GPTConfig
        >>> model = GPT(GPTConfig(vocabulary_size=9, layers=1, width=32, heads=2))
        >>> wide = centred(network_of(model))
        >>> wide.config.width, wide.config.normalisation
        (48, 'layer')
        >>> bool(abs(wide.embedding.mean(1)).max() < 1e-6)
        True
    """
    config = network.config
    group, size = config.heads // config.key_value_heads, config.head_size
    added = _added(config.width, group * size, multiple)  # key heads
    width = config.width + added * group * size
    into, back = _maps(config.width, width)
    head = network.embedding if network.head is None else network.head
    wider = config.model_dump() | {
        "width": width,
        "heads": config.heads + added * group,
        "kv_heads": config.key_value_heads + added,
        "feed_forward": config.hidden_width,
        "normalisation": "layer",
        "tied_embeddings": False,
    }
    return Network(
        config=type(config).parse(wider),
        embedding=_rounded(network.embedding @ into.T),
        positions=None,
        layers=tuple(_layer(layer, into, back, added * size, group) for layer in network.layers),
        final_norm=_plain(width),
        head=_rounded(head * network.final_norm.scale @ back.T),
    )


def _maps(narrow: int, wide: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what takes the stream to the wider one, and back: s A and A / s, `(wide, narrow)`.

    A is the first columns of the reflection that swaps the last axis with that of all ones, and so
    nearly leaves the others as they are.
    """
    normal = np.full(wide, wide**-0.5)
    normal[-1] -= 1
    reflection = np.eye(wide) - 2 * np.outer(normal, normal) / (normal @ normal)
    columns, scale = reflection[:, :narrow], np.sqrt(wide / narrow)
    return columns * scale, columns / scale


def _added(width: int, step: int, multiple: int) -> int:
    """Return the fewest steps, one at least, to a multiple; one where none leads there."""
    return next((n for n in range(1, multiple + 1) if (width + n * step) % multiple == 0), 1)


def _layer(layer: Layer, into: np.ndarray, back: np.ndarray, more: int, group: int) -> Layer:
    """Carry a layer over, with so many more keys, and `group` times as many more queries."""

    def reading(linear: Linear, norm: Norm, more: int = 0) -> Linear:
        weight = linear.weight * norm.scale @ back.T  # (outputs, M)
        rows = ((0, more), (0, 0))
        bias = None if linear.bias is None else np.pad(linear.bias, (0, more))
        return Linear(_rounded(np.pad(weight, rows)), bias)

    def writing(linear: Linear, more: int = 0) -> Linear:
        weight = np.pad(into @ linear.weight, ((0, 0), (0, more)))  # (M, inputs)
        return Linear(
            _rounded(weight), None if linear.bias is None else _rounded(into @ linear.bias)
        )

    before, between = layer.attention_norm, layer.feed_forward_norm
    return replace(
        layer,
        attention_norm=_plain(len(into)),
        query=reading(layer.query, before, group * more),
        key=reading(layer.key, before, more),
        value=reading(layer.value, before, more),
        merge=writing(layer.merge, group * more),
        feed_forward_norm=_plain(len(into)),
        gate=None if layer.gate is None else reading(layer.gate, between),
        expand=reading(layer.expand, between),
        contract=writing(layer.contract),
    )


def _plain(width: int) -> Norm:
    return Norm(np.ones(width, np.float32))


def _rounded(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32)
