"""LoRA: layers whose weights stay as they are, each with a change of low rank that is trained.

A matrix W of `(in, out)` becomes `W + alpha / rank * A B`, where A is `(in, rank)` and B `(rank,
out)`, at first zero. Keras has it in the layers themselves (`enable_lora`); here they are chosen,
and all else of the model is frozen.

Reference:
    Hu et al. 2021 (arXiv:2106.09685).
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from serving.errors import UsageError, nearest

# Of A, B and the frozen weight: matrices and kernels have theirs, embeddings others.
_KINDS = (
    ("lora_kernel_a", "lora_kernel_b", "_kernel"),
    ("lora_embeddings_a", "lora_embeddings_b", "_embeddings"),
)

_Path = tuple[str, ...]  # layers, the outermost first
Value = Callable[[keras.Variable], np.ndarray]


class Adapted(NamedTuple):
    """A layer with a change of low rank.

    Attributes:
        name: its path within the model, as `block_0/attention/project`.
        frozen: the weight W that stays.
        first, second: the factors A and B.
        scale: alpha / rank.
    """

    name: str
    frozen: keras.Variable
    first: keras.Variable
    second: keras.Variable
    scale: float

    def merged(self, value: Value) -> np.ndarray:
        """Return `W + scale * A B` as one weight, `value` giving the numbers of each variable."""
        change = value(self.first) @ value(self.second)
        return value(self.frozen) + np.float32(self.scale) * change


def capable(model: keras.Model) -> dict[str, Any]:
    """Return the layers of a model that can be adapted, by their path within it.

    Example:
        >>> import zoo
        >>> model = zoo.GPT(zoo.GPTConfig(vocabulary_size=9, layers=1, width=16, heads=2))
        >>> sorted(capable(model))[:2]
        ['block_0/attention/merge', 'block_0/attention/project']
    """
    found = [
        layer
        for layer in model._flatten_layers(include_self=False)
        if hasattr(layer, "enable_lora") and layer.built and layer.path
    ]
    paths = [tuple(layer.path.removeprefix(f"{model.name}/").split("/")) for layer in found]
    return {"/".join(_settled(path, paths)): each for path, each in zip(paths, found, strict=True)}


def _settled(path: _Path, paths: Sequence[_Path]) -> _Path:
    """Return a path with the counters that Keras would give the first model of a process.

    Example:
        >>> _settled(("hidden", "dense_7"), [("hidden", "dense_7"), ("hidden", "dense_10")])
        ('hidden', 'dense')
    """
    settled = []
    for depth, part in enumerate(path):
        word, counter = _split(part)
        beside = {each[depth] for each in paths if each[:depth] == path[:depth] and each[depth:]}
        counters = sorted(own for name, own in map(_split, beside) if name == word)
        at = counters.index(counter)
        asked = counters == list(range(len(counters)))  # by whoever wrote the model
        settled.append(part if asked else f"{word}_{at}" if at else word)
    return tuple(settled)


def _split(part: str) -> tuple[str, int]:
    """Return a name and its counter, which is 0 where there is none."""
    word, _, counter = part.rpartition("_")
    return (word, int(counter)) if word and counter.isdecimal() else (part, 0)


def enable(model: keras.Model, rank: int, targets: Sequence[str], alpha: float | None) -> None:
    """Give some layers of a model that is built a change of low rank, and freeze all else.

    Args:
        model: whose weights are those to go on from.
        rank: of the change.
        targets: names of layers, or of what they lie in: `project`, `attention`, `block_0`.
        alpha: the change is scaled by `alpha / rank`; by 1 where it is None.

    Raises:
        UsageError: no layer has such a name, or the rank is none for one that has.

    Example:
        >>> import zoo
        >>> model = zoo.GPT(zoo.GPTConfig(vocabulary_size=9, layers=1, width=16, heads=2))
        >>> enable(model, 2, ["project"], alpha=None)
        >>> [tuple(variable.shape) for variable in model.trainable_variables]
        [(16, 2), (2, 48)]
    """
    layers = capable(model)
    chosen = {}
    for target in targets:
        named = {name: each for name, each in layers.items() if target in name.split("/")}
        if not named:
            known = sorted({part for name in layers for part in name.split("/")})
            plain = [part for part in known if not part[-1].isdigit()]
            raise UsageError(
                f"train.lora_targets names '{target}', and no layer of the model that can be "
                f"adapted is called so{nearest(target, known)}; there are {', '.join(plain)}"
            )
        chosen |= named
    for variable in model.variables:
        variable.trainable = False
    for name, layer in chosen.items():
        _require_rank(name, layer, rank)
        layer.enable_lora(rank, lora_alpha=alpha)


def adapted(model: keras.Model) -> list[Adapted]:
    """Return the layers of a model that `enable` has chosen, by name.

    Example:
        >>> adapted(keras.Sequential([keras.layers.Dense(3)]))
        []
    """
    found = []
    for name, layer in capable(model).items():
        if layer.lora_enabled:
            first, second, frozen = next(kind for kind in _KINDS if hasattr(layer, kind[0]))
            variables = (getattr(layer, key) for key in (frozen, first, second))
            found.append(Adapted(name, *variables, layer.lora_alpha / layer.lora_rank))
    return sorted(found, key=lambda each: each.name)


def check_trained(model: keras.Model) -> None:
    """Refuse a model of which one of several networks has no layer that is adapted.

    Raises:
        UsageError: an optimizer has nothing to train.
    """
    if adapted(model) and not all(each._trainable_variables for each in model.optimizers):
        names = ", ".join(sorted({name.split("/")[0] for name in capable(model)}))
        raise UsageError(
            f"train.lora_targets leaves a network without anything to train; name layers of each "
            f"of {names}"
        )


def fingerprint(model: keras.Model) -> str:
    """Return the sha256 of all weights of a model, as 64 hexadecimal digits: what is adapted.

    The same numbers have the same in whatever file and precision of computing.
    """
    digest = hashlib.sha256()
    for variable in model.weights:
        digest.update(f"{tuple(variable.shape)} {variable.dtype}\n".encode())
        digest.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return digest.hexdigest()


def _require_rank(name: str, layer: Any, rank: int) -> None:
    """Refuse a rank that is more than the weight itself has."""
    *rows, columns = next(iter(layer.weights)).shape
    most = min(math.prod(rows), columns)
    if rank > most:
        raise UsageError(
            f"train.lora is {rank}, and {name} has a rank of {most} itself; take a smaller one, or "
            "leave train.lora out to train the whole"
        )
