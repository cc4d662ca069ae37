"""Which parts of a Transformer matter most, and a smaller one made of these.

What is taken away is taken away whole, so that every matrix becomes smaller: groups of query heads
with the key and value head that they share, hidden units of the feed-forward network, and layers.
A part gets into the network's result only through rows of the last matrix of its branch: a gate
before these rows that closes is the part taken away. The loss then changes, to the first order, by
its derivative by the gate, which is the sum of weight times gradient over these rows. What counts
is the mean of its absolute value over small batches; the sign says nothing where the loss is flat.

References:
    Michel et al. 2019, Are Sixteen Heads Really Better than One? (arXiv:1905.10650), section 4.1,
    of heads; Molchanov et al. 2019 (arXiv:1906.10771) of units; Ma et al. 2023, LLM-Pruner
    (arXiv:2305.11627), of all that hangs together. The norm of the weights: Li et al. 2017
    (arXiv:1608.08710).
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from serving.errors import UsageError
from zoo.recipe import Importance
from zoo.transformer.block import Block
from zoo.transformer.config import GPTConfig

SMALLER = "layers, heads, kv_heads and feed_forward"  # what may be smaller
# Of these no weight knows, or they are compared by themselves.
_APART = {"layers", "heads", "kv_heads", "head_width", "feed_forward"}
_WEIGHTLESS = {"context", "dropout", "attention_dropout"}


class Scores(NamedTuple):
    """How much each part matters; of parts of a kind, the higher the more.

    Attributes:
        groups: of heads, `(L, kv_heads)`.
        units: of the feed-forward networks, `(L, hidden_width)`.
        layers: `(L,)`.
    """

    groups: np.ndarray
    units: np.ndarray
    layers: np.ndarray


def check_parts(config: GPTConfig, source: GPTConfig, name: str) -> None:
    """Make sure that a model can be made of parts of another.

    Raises:
        UsageError: it differs in more than the number of its parts, or has more of them, or none
            is taken away.
    """
    fixed = set(GPTConfig.model_fields) - _APART - _WEIGHTLESS
    if source.positions == "learned":
        fixed.add("context")
    ours = {key: getattr(config, key) for key in sorted(fixed)} | {"head_width": config.head_size}
    theirs = {key: getattr(source, key) for key in sorted(fixed)} | {"head_width": source.head_size}
    for key, value in theirs.items():
        if ours[key] != value:
            raise UsageError(
                f"train.prune takes parts of {name}, whose {key} is {value} and not {ours[key]}; "
                f"only {SMALLER} may be smaller"
            )
    group = source.heads // source.key_value_heads
    if config.heads // config.key_value_heads != group:
        raise UsageError(
            f"in {name} {group} heads share a key head and go with it; give model.kv_heads, and "
            f"{group} times as many model.heads"
        )
    counts = {
        "layers": (config.layers, source.layers),
        "heads": (config.heads, source.heads),
        "feed_forward": (config.hidden_width, source.hidden_width),
    }
    for key, (own, most) in counts.items():
        if own > most:
            raise UsageError(f"model.{key} is {own}, and {name} has {most}; expected no more")
    if all(own == most for own, most in counts.values()):
        raise UsageError(f"train.prune leaves out nothing of {name}; make {SMALLER} smaller")
    if config.layers < source.layers and (source.windows or source.unturned_layers):
        raise UsageError(f"the layers of {name} see or count differently, and all have to stay")


def scores(model: Any, importance: Importance, batches: Iterable[Any]) -> Scores:
    """Measure how much each part of a `zoo.GPT` matters.

    Args:
        model: a trained one.
        importance: `taylor` or `magnitude`; see the head of this file.
        batches: for `taylor`, small ones, as `validation_loss` takes them.

    Example:
        >>> from zoo.transformer import GPT
        >>> model = GPT(GPTConfig(vocabulary_size=65, layers=3, width=16, heads=2))
        >>> found = scores(model, "magnitude", [])
        >>> found.layers.shape, found.groups.shape, found.units.shape
        ((3,), (3, 2), (3, 48))
    """
    if importance == "magnitude":
        return _stacked(_squares(block, model.config) for block in model.blocks)
    changes = zip(*_changes(model, batches), strict=True)
    return Scores(*(np.mean(np.abs(each), axis=0) for each in changes))


def take_parts(target: Any, source: Any, found: Scores) -> None:
    """Copy the most important parts of a `zoo.GPT` into a smaller one, in their order.

    Args:
        target: of fewer layers, groups of heads or hidden units, and otherwise the same.
        source: the larger one.
        found: how much each of its parts matters.
    """
    config = target.config
    _copy(target.token_embedding, source.token_embedding)
    if source.position_embedding is not None:
        _copy(target.position_embedding, source.position_embedding)
    _copy(target.final_norm, source.final_norm)
    for own, layer in zip(target.blocks, _best(found.layers, config.layers), strict=True):
        groups = _best(found.groups[layer], config.key_value_heads)
        units = _best(found.units[layer], config.hidden_width)
        _take_block(own, source.blocks[layer], source.config, groups, units)


def _take_block(
    own: Block, other: Block, config: GPTConfig, groups: np.ndarray, units: np.ndarray
) -> None:
    """Copy some groups of heads and some hidden units of a layer.

    Args:
        own, other: the smaller and the larger layer.
        config: of the larger.
        groups, units: which, counted from 0.
    """
    kv_heads, size = config.key_value_heads, config.head_size
    shared = config.heads // kv_heads
    heads = (groups[:, None] * shared + np.arange(shared)).ravel()
    into = [heads, config.heads + groups, config.heads + kv_heads + groups]
    inner, outer = _places(np.concatenate(into), size), _places(heads, size)
    expanded = [units, config.hidden_width + units] if other.feed_forward.gated else [units]
    for name in ("attention_norm", "feed_forward_norm"):
        _copy(getattr(own, name), getattr(other, name))
    if own.attention.query_norm is not None:
        _copy(own.attention.query_norm, other.attention.query_norm)
        _copy(own.attention.key_norm, other.attention.key_norm)
    _copy(own.attention.project, other.attention.project, columns=inner)
    _copy(own.attention.merge, other.attention.merge, rows=outer)
    ours, theirs = own.feed_forward, other.feed_forward
    _copy(ours.expand, theirs.expand, columns=np.concatenate(expanded))
    _copy(ours.contract, theirs.contract, rows=units)


def _copy(
    target: keras.layers.Layer,
    source: keras.layers.Layer,
    rows: np.ndarray | None = None,
    columns: np.ndarray | None = None,
) -> None:
    """Copy the weights of a layer: of its matrix some rows, of all some columns."""
    for own, other in zip(target.variables, source.variables, strict=True):
        value = other.numpy()
        if rows is not None and value.ndim == 2:
            value = value[rows]
        own.assign(value if columns is None else value[..., columns])


def _best(values: np.ndarray, count: int) -> np.ndarray:
    """Return where the highest values are, in order; of equal ones the first.

    >>> _best(np.array([3.0, 1.0, 2.0, 2.0]), 2).tolist()
    [0, 2]
    """
    return np.sort(np.argsort(-values, kind="stable")[:count])


def _places(heads: np.ndarray, size: int) -> np.ndarray:
    """Return the rows or columns of some heads, of `size` each."""
    return (heads[:, None] * size + np.arange(size)).ravel()


def _squares(block: Block, config: GPTConfig) -> tuple[np.ndarray, np.ndarray, float]:
    """Return the sum of squared weights of each group, of each hidden unit, and of the layer."""
    attention, network = block.attention, block.feed_forward
    kv_heads, kinds = config.key_value_heads, config.heads + 2 * config.key_value_heads
    heads = np.square(attention.project.kernel.numpy()).reshape(config.width, kinds, -1)
    query, key, value = np.split(heads.sum((0, 2)), np.cumsum([config.heads, kv_heads]))
    rows = np.square(attention.merge.kernel.numpy()).reshape(kv_heads, -1).sum(1)  # (K,)
    groups = query.reshape(kv_heads, -1).sum(1) + key + value + rows
    columns = np.square(network.expand.kernel.numpy()).sum(0).reshape(-1, config.hidden_width)
    units = columns.sum(0) + np.square(network.contract.kernel.numpy()).sum(1)  # (F,)
    return groups, units, groups.sum() + units.sum()


def _changes(model: Any, batches: Iterable[Any]) -> Iterator[Scores]:
    """Yield, for each batch, the derivative of its loss by a gate at each part."""
    last = [(block.attention.merge, block.feed_forward.contract) for block in model.blocks]
    variables = [each for pair in last for layer in pair for each in layer.variables]
    kv_heads = model.config.key_value_heads

    @tf.function
    def products(batch: Any) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            loss = model.validation_loss(batch)
        gradients = tape.gradient(loss, variables)
        return [weight * gradient for weight, gradient in zip(variables, gradients, strict=True)]

    for batch in batches:
        found = iter([product.numpy() for product in products(batch)])
        rows = []
        for pair in last:
            merge, contract = ([next(found) for _ in layer.variables] for layer in pair)
            whole = sum(each.sum() for each in (*merge, *contract))  # with biases
            rows.append((merge[0].reshape(kv_heads, -1).sum(1), contract[0].sum(1), whole))
        yield _stacked(rows)


def _stacked(rows: Iterable[tuple[np.ndarray, np.ndarray, float]]) -> Scores:
    """Put the parts of each layer side by side."""
    groups, units, layers = zip(*rows, strict=True)
    return Scores(np.stack(groups), np.stack(units), np.stack(layers))
