"""Tiny Transformers, shared by the tests."""

import keras
import numpy as np

from zoo.transformer import GPT, GPTConfig

SIZES = {"vocabulary_size": 11, "context": 12, "layers": 2, "width": 16, "heads": 4}
MODELS = {
    "llama": {},
    "gpt-2": {
        "normalisation": "layer",
        "positions": "learned",
        "activation": "gelu",
        "bias": True,
    },
    "grouped": {"kv_heads": 2, "tied_embeddings": False},
    "one key head": {"kv_heads": 1, "feed_forward": 24, "activation": "gelu"},
    "layer norm without bias": {"normalisation": "layer", "kv_heads": 2, "positions": "learned"},
}


def model(kind: str = "llama", seed: int = 0, **changes) -> GPT:
    """A tiny model, the same for the same seed, whose every weight matters."""
    keras.utils.set_random_seed(seed + 1)
    made = GPT(GPTConfig(**SIZES | MODELS[kind] | changes), seed=seed)
    for variable in made.trainable_variables:  # small weights would hide mistakes
        variable.assign_add(keras.random.normal(variable.shape, stddev=0.3))
    return made


def ids(rows: int, length: int, seed: int = 0) -> np.ndarray:
    return np.random.RandomState(seed).randint(0, SIZES["vocabulary_size"], (rows, length))


def batch(count: int, length: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    tokens = ids(count, length + 1, seed).astype("int32")
    return tokens[:, :-1], tokens[:, 1:]
