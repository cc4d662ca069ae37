"""The file of an adapter that a run leaves: the factors of each layer, and what they belong to.

A NumPy archive of plain arrays, never pickled: `NAME.lora_A` and `NAME.lora_B` for the layer of
each name, and `adapter`, which says of what weights they are a change, as JSON. Factors keep all
digits of float32, whatever the run computed with.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, NamedTuple
from zipfile import BadZipFile

import keras
import numpy as np
from pydantic import Field

from serving.errors import GenzooError
from serving.files import replacing
from zoo.config import Config
from zoo.recipe import TrainConfig
from zoo.training.beginning import name_of
from zoo.training.lora.layers import Adapted, Value, enable, fingerprint


class Described(Config):
    """What an adapter belongs to, and how it was chosen.

    Attributes:
        base: what the model is called that is changed.
        base_weights: the sha256 of its weights, see `zoo.training.lora.layers.fingerprint`.
        rank, alpha, targets: of the recipe.
    """

    base: str
    base_weights: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    rank: Annotated[int, Field(gt=0)]
    alpha: float
    targets: tuple[str, ...]


class Factors(NamedTuple):
    """What an adapter holds of a layer: A `(..., in, rank)` and B `(rank, out)`, unscaled."""

    first: np.ndarray
    second: np.ndarray


def prepared(model: keras.Model, config: TrainConfig) -> Described | None:
    """Adapt a model as a recipe says, and return what the adapter belongs to; None without one.

    Args:
        model: with the weights to go on from, and no optimizer yet.
        config: of the run.

    Raises:
        UsageError: the model has no such layers, or not of that rank.
    """
    if not config.lora:
        return None
    base = fingerprint(model)
    enable(model, config.lora, config.lora_targets, config.lora_alpha)
    return Described(
        base=name_of(str(config.initial_weights)),
        base_weights=base,
        rank=config.lora,
        alpha=config.lora_alpha or float(config.lora),
        targets=config.lora_targets,
    )


def save(path: Path, described: Described, layers: Iterable[Adapted], value: Value) -> None:
    """Write an adapter, whole or not at all; `value` gives the numbers of each variable."""
    arrays = {}
    for layer in layers:
        arrays |= {
            f"{layer.name}.lora_A": value(layer.first),
            f"{layer.name}.lora_B": value(layer.second),
        }
    with replacing(path) as temporary:
        np.savez(temporary, adapter=np.array(described.model_dump_json()), **arrays)


def load(path: Path) -> tuple[Described, dict[str, Factors]]:
    """Read an adapter, and return what it belongs to, and the factors of each layer by its name.

    Raises:
        GenzooError: it is damaged, or no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            described = Described.parse(json.loads(str(file["adapter"])))
            names = [name.removesuffix(".lora_A") for name in file.files if name.endswith("_A")]
            factors = {name: Factors(file[f"{name}.lora_A"], file[f"{name}.lora_B"])
                       for name in names}  # fmt: skip
    except (GenzooError, ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise GenzooError(
            f"{path} is no adapter that can be read ({error}); train it again"
        ) from None
    for name, (first, second) in factors.items():
        if {first.shape[-1], *second.shape[:1]} != {described.rank}:
            raise GenzooError(f"{path} has another rank at {name} than it says; train it again")
    return described, factors
