"""The graph of a Transformer: one for reading a prompt and for writing on from it."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from export.proof.graphs import Arrays, GraphSpec
from export.proof.linter import check_static
from serving.bundle.records import Port
from serving.runtime.fixed import enlarged
from zoo.transformer import GPT
from zoo.transformer.config import GPTConfig

# Axes by the names that other programs look for.
SEQUENCE, PAST, TOTAL = "sequence_length", "past_sequence_length", "total_sequence_length"
SEEDS = (0, 1)
# What is proved of long windows, of large models, and of both: as many tokens as take minutes.
LONGEST, LONGEST_OF_LARGE, LARGE = 1024, 256, 50_000_000
BEFORE = 6  # tokens read before the one of the call, where nothing else is said and there is room


@dataclass(frozen=True)
class TokenGraph(GraphSpec):
    """A graph of tokens, some of which may be padding, on the left.

    Attributes:
        layers: whose keys and values it returns; 0 where there is no padding to leave out.
    """

    layers: int = 0

    def counted(self, inputs: Arrays) -> Arrays:
        """Leave out what is computed for padding, which attends to nothing and so to everything."""
        if not self.layers:
            return {}
        mask, length = inputs["attention_mask"], inputs["input_ids"].shape[1]
        cache = [name for pair in cache_names("present", self.layers) for name in pair]
        return {"logits": mask[:, -length:, None]} | dict.fromkeys(cache, mask[:, None, :, None])


def graphs(model: GPT) -> list[GraphSpec]:
    """Describe what a Transformer exports, with the names of the Hugging Face ecosystem."""
    return [
        TokenGraph(
            role="model",
            signature="decode",
            call=partial(_call, model),
            inputs=(*_tokens(), *_cache(model.config, "past_key_values", PAST, "before")),
            outputs=(
                _port(
                    "logits",
                    SEQUENCE,
                    model.config.vocabulary_size,
                    meaning="log-probability of each next token, up to a constant",
                ),
                *_cache(model.config, "present", TOTAL, "so far"),
            ),
            sample=partial(_sample, model),
            sensitivity=("input_ids", "logits"),
            trials=lambda: _trials(model, several=3),
            layers=model.config.layers,
            matrices=[each for each in model.variables if len(each.shape) == 2],
        )
    ]


def fused(spec: GraphSpec, model: GPT) -> GraphSpec:
    """Describe the same graph in ONNX Runtime's own operators, which takes less: no padding on the
    left, and more than one token after others only of one text.
    """
    return replace(
        spec,
        trials=lambda: _trials(model, padded=False),
        layers=0,
        domains=frozenset({"com.microsoft"}),
    )


def static(spec: GraphSpec, model: GPT) -> GraphSpec:
    """Describe the graph that writes into a cache of fixed size, and takes no padding on the left.

    What the size of an axis is, it never asks: with numbers for the others too, every
    tensor in it has a known size.
    """
    sizes = {PAST: model.config.context, TOTAL: model.config.context}
    interface = spec.interface.fixed(sizes)

    def fitting(inputs: Arrays) -> Arrays:
        return enlarged(inputs, spec.interface, sizes)

    def trials() -> Iterator[tuple[str, Arrays]]:
        for words, inputs in _trials(model, padded=False, several=3, many=(5, 9)):
            yield words, fitting(inputs)

    return replace(
        spec,
        call=partial(_call, model, in_place=True),
        inputs=tuple(interface.inputs),
        outputs=tuple(interface.outputs),
        sample=lambda count, seed: fitting(spec.sample(count, seed)),
        trials=trials,
        layers=0,
        checks=(check_static,),
        fixed=sizes,
    )


def cache_names(kind: str, layers: int) -> list[tuple[str, str]]:
    """Return the names of keys and values, `kind` being `past_key_values` or `present`.

    Example:
        >>> cache_names("present", 1)
        [('present.0.key', 'present.0.value')]
    """
    return [(f"{kind}.{layer}.key", f"{kind}.{layer}.value") for layer in range(layers)]


def draw(model: GPT, count: int, length: int, past: int, seed: int, padding: int) -> Arrays:
    """Draw what the graph takes: random tokens, padded on the left, after others that were read.

    Args:
        model: reads the tokens before.
        count: rows B.
        length: tokens T of the call.
        past: tokens S before.
        seed: of tokens and padding.
        padding: most tokens of a row that are none; the first row has no such.
    """
    random, total = np.random.RandomState(seed), past + length
    ids = random.randint(0, model.config.vocabulary_size, (count, total))
    none = random.randint(0, padding + 1, (count, 1))
    none[0] = 0
    return feeds(model, ids, past, none)


def _sample(model: GPT, count: int, seed: int) -> Arrays:
    return draw(model, count, 1, min(BEFORE, model.config.context - 1), seed, padding=0)


def feeds(model: GPT, ids: np.ndarray, past: int, padding: np.ndarray | int = 0) -> Arrays:
    """Return what the graph takes to read tokens.

    Args:
        model: reads the tokens before, so that keys and values are real ones.
        ids: tokens `(B, S + T)`.
        past: number S of those that were read before.
        padding: how many at the beginning of each row are none, `(B, 1)` or one for all.
    """
    ids = ids.astype(np.int64)
    mask = np.broadcast_to(np.arange(ids.shape[1]) >= padding, ids.shape).astype(np.int64)
    positions = np.maximum(np.cumsum(mask, axis=1) - 1, 0)
    names = [name for pair in cache_names("past_key_values", model.config.layers) for name in pair]
    cache = [np.asarray(each) for pair in model.empty_past(len(ids)) for each in pair]
    if past:
        empty = dict(zip(names, cache, strict=True))
        read = _call(model, ids[:, :past], mask[:, :past], positions[:, :past], **empty)
        _, *cache = map(np.asarray, read.values())
    tokens = {
        "input_ids": ids[:, past:],
        "attention_mask": mask,
        "position_ids": positions[:, past:],
    }
    return tokens | dict(zip(names, cache, strict=True))


def _trials(
    model: GPT,
    padded: bool = True,
    several: int = 1,
    many: tuple[int, int] = (64, 257),
) -> Iterator[tuple[str, Arrays]]:
    """Yield batches of tokens to read, to write on from, and both at once, up to a full window.

    Args:
        model: reads what is read before.
        padded: whether rows are padded on the left.
        several: rows of those that read more than one token after others.
        many: the largest batches.
    """
    large = model.num_parameters > LARGE
    context = min(model.config.context, LONGEST_OF_LARGE if large else LONGEST)
    many = (4, 5) if large else many
    half = max(1, context // 2)
    for count, length, past in (
        (1, 1, 0),
        (1, context, 0),
        (1, 1, context - 1),
        (several, half, context - half),
        (3, min(2, context), 0),
        (many[0], 1, half - 1),
        (many[1], min(3, context), 0),
    ):
        for seed in SEEDS:
            words = f"batch {count}, {length} tokens after {past}, seed {seed}"
            most = length + past - 1 if padded else 0
            yield words, draw(model, count, length, past, seed, padding=most)


def _call(
    model: GPT,
    input_ids: Any,
    attention_mask: Any,
    position_ids: Any,
    in_place: bool = False,
    **past: Any,
) -> Mapping[str, Any]:
    names = cache_names("past_key_values", model.config.layers)
    inputs = {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "position_ids": position_ids,
        "past": [(past[key], past[value]) for key, value in names],
    }
    with warnings.catch_warnings():
        # The first token attends to itself alone, of which Keras warns.
        warnings.filterwarnings("ignore", "You are using a softmax", UserWarning)
        outputs = model(inputs, in_place=in_place)
    named = {"logits": outputs["logits"]}
    pairs = zip(cache_names("present", model.config.layers), outputs["present"], strict=True)
    for (key_name, value_name), (key, value) in pairs:
        named |= {key_name: key, value_name: value}
    return named


def _tokens() -> tuple[Port, ...]:
    return (
        _port("input_ids", SEQUENCE, meaning="tokens to read", dtype="int64"),
        _port(
            "attention_mask",
            TOTAL,
            meaning="1 for each token so far and 0 for padding",
            dtype="int64",
        ),
        _port(
            "position_ids",
            SEQUENCE,
            meaning="place of each token in its text, padding not counted",
            dtype="int64",
        ),
    )


def _cache(config: GPTConfig, kind: str, length: str, when: str) -> tuple[Port, ...]:
    return tuple(
        _port(
            name,
            config.key_value_heads,
            length,
            config.head_size,
            meaning=f"{what} of layer {layer} of the tokens {when}",
        )
        for layer, names in enumerate(cache_names(kind, config.layers))
        for name, what in zip(names, ("keys", "values"), strict=True)
    )


def _port(name: str, *axes: int | str, meaning: str, dtype: str = "float32") -> Port:
    return Port(name=name, dtype=dtype, axes=["batch_size", *axes], meaning=meaning)
