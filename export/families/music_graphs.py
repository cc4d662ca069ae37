"""The graphs of a network of music: with a cache in the order of time, or of all notes at once."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from export.families import gpt_graphs
from export.families.gpt_graphs import SEEDS, SEQUENCE, TokenGraph
from export.proof.graphs import Arrays, GraphSpec
from serving.bundle.records import Port
from serving.music.drawing import BAR
from zoo.music.model import MusicTransformer


def graphs(model: MusicTransformer) -> list[GraphSpec]:
    """Describe what a network of music exports, with the names of text models."""
    if model.config.order == "time":
        return gpt_graphs.graphs(model)
    return [
        TokenGraph(
            role="model",
            signature="predict",
            call=partial(_call, model),
            inputs=(
                _port("input_ids", "notes, the last of all tokens where one is not known"),
                _port("attention_mask", "1 for each note, and 0 for padding behind them"),
                _port("position_ids", "place of each note in its piece, from the beginning of one"),
            ),
            outputs=(
                Port(
                    name="logits",
                    dtype="float32",
                    axes=["batch_size", SEQUENCE, model.config.vocabulary_size],
                    meaning="log-probability of the note at each place, up to a constant",
                ),
            ),
            sample=lambda count, seed: _draw(model, count, BAR, seed, padding=0),
            sensitivity=("input_ids", "logits"),
            trials=lambda: _trials(model),
            matrices=[each for each in model.variables if len(each.shape) == 2],
        )
    ]


def _call(
    model: MusicTransformer, input_ids: Any, attention_mask: Any, position_ids: Any
) -> Mapping[str, Any]:
    inputs = {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "position_ids": position_ids,
    }
    return {"logits": model(inputs)}


def _draw(model: MusicTransformer, count: int, length: int, seed: int, padding: int) -> Arrays:
    """Draw notes, of which every row but the first may end in padding."""
    random = np.random.RandomState(seed)
    ids = random.randint(0, model.config.vocabulary_size, (count, length))
    none = random.randint(0, padding + 1, (count, 1))
    none[0] = 0
    places = np.broadcast_to(np.arange(length), ids.shape)
    mask = (places < length - none).astype(np.int64)
    return {
        "input_ids": ids.astype(np.int64),
        "attention_mask": mask,
        "position_ids": np.ascontiguousarray(places, np.int64),
    }


def _trials(model: MusicTransformer) -> Iterator[tuple[str, Arrays]]:
    """Yield batches of pieces of several lengths, up to a full window."""
    context = model.config.context
    for count, length in ((1, 1), (1, context), (3, min(100, context)), (33, BAR)):
        for seed in SEEDS:
            words = f"batch {count}, {length} notes, seed {seed}"
            yield words, _draw(model, count, length, seed, padding=length - 1)


def _port(name: str, meaning: str) -> Port:
    return Port(name=name, dtype="int64", axes=["batch_size", SEQUENCE], meaning=meaning)
