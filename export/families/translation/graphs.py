"""The graphs of a translator: an encoder, and one decoder for the first step and those after."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from export.proof.graphs import Arrays, GraphSpec
from serving.bundle.records import Port
from serving.families.translation_graph import (
    DECODER,
    ENCODER,
    PAST_SOURCE,
    PAST_TARGET,
    SOURCE,
    STATES,
    TARGET,
    TOTAL,
    cache_names,
)
from zoo.translation import TranslationConfig, Translator

SEEDS = (0, 1)
MASK = "1 for each token of the source and 0 for padding"
LONGEST, READ, BEFORE = 24, 6, 3  # tokens of a source, fewer of it, and tokens written before


@dataclass(frozen=True)
class EncoderGraph(GraphSpec):
    """The encoder, of whose outputs those of padding mean nothing."""

    def counted(self, inputs: Arrays) -> Arrays:
        return {STATES: inputs["attention_mask"][:, :, None]}


def graphs(model: Translator) -> list[GraphSpec]:
    """Describe what a translator exports, with the names of the Hugging Face ecosystem."""
    matrices = [each for each in model.variables if len(each.shape) == 2]
    encoder = EncoderGraph(
        role=ENCODER,
        signature="encode",
        call=lambda input_ids, attention_mask: {STATES: model.encode(input_ids, attention_mask)},
        inputs=(
            _port("input_ids", SOURCE, meaning="tokens of a source", dtype="int64"),
            _port("attention_mask", SOURCE, meaning=MASK, dtype="int64"),
        ),
        outputs=(
            _port(STATES, SOURCE, model.config.width, meaning="what the decoder reads of it"),
        ),
        sample=partial(_sources, model, READ),
        sensitivity=("input_ids", STATES),
        trials=lambda: _encoder_trials(model),
        matrices=matrices,
    )
    decoder = GraphSpec(
        role=DECODER,
        signature="decode",
        call=partial(_call, model),
        inputs=_decoder_inputs(model.config),
        outputs=_decoder_outputs(model.config),
        sample=lambda count, seed: feeds(model, count, READ, BEFORE, 1, seed),
        sensitivity=("input_ids", "logits"),
        trials=lambda: _decoder_trials(model),
        matrices=matrices,
    )
    return [encoder, decoder]


def _decoder_inputs(config: TranslationConfig) -> tuple[Port, ...]:
    states = "of the encoder; of those whose keys and values are given, only the number counts"
    return (
        _port("input_ids", TARGET, meaning="written tokens to read", dtype="int64"),
        _port("encoder_attention_mask", SOURCE, meaning=MASK, dtype="int64"),
        _port("encoder_hidden_states", SOURCE, config.width, meaning=states),
        *_cache(config, "past_key_values", (PAST_TARGET, PAST_SOURCE)),
    )


def _decoder_outputs(config: TranslationConfig) -> tuple[Port, ...]:
    logits = "log-probability of each next token, up to a constant"
    return (
        _port("logits", TARGET, config.vocabulary_size, meaning=logits),
        *_cache(config, "present", (TOTAL, SOURCE)),
    )


def feeds(model: Translator, count: int, read: int, before: int, length: int, seed: int) -> Arrays:
    """Return what the decoder takes: random tokens after others, of sources of unequal length.

    Args:
        model: reads the tokens before, so that keys and values are real ones.
        count: rows B.
        read: most tokens S of a source.
        before: tokens P that were read; 0 for the first step.
        length: tokens T of the call.
        seed: of tokens and lengths.
    """
    source = _sources(model, read, count, seed)
    states = model.encode(**source)
    mask = source["attention_mask"]
    random = np.random.RandomState(seed + 1)
    ids = random.randint(0, model.config.vocabulary_size, (count, before + length))
    past = model.empty_past(count)
    if before:
        _, past = model.decode(ids[:, :before], states, mask, past)
    names = [name for name, _ in cache_names("past_key_values", model.config.decoder_layers)]
    held = [np.asarray(array) for layer in past for array in layer]
    return {
        "input_ids": ids[:, before:],
        "encoder_attention_mask": mask,
        "encoder_hidden_states": np.asarray(states),
    } | dict(zip(names, held, strict=True))


def _sources(model: Translator, read: int, count: int, seed: int) -> Arrays:
    """Draw sources of unequal length, the first as long as there is room."""
    random = np.random.RandomState(seed)
    read = min(read, model.config.context)
    lengths = random.randint(1, read + 1, count)
    lengths[0] = read
    mask = (np.arange(read) < lengths[:, None]).astype(np.int64)
    ids = random.randint(0, model.config.vocabulary_size, mask.shape)
    return {"input_ids": ids * mask, "attention_mask": mask}


def _encoder_trials(model: Translator) -> Iterator[tuple[str, Arrays]]:
    for count, read, seed in ((1, 1, 0), (1, LONGEST, 0), (3, READ, 1), (9, LONGEST, 1)):
        words = f"batch {count}, {read} tokens, seed {seed}"
        yield words, _sources(model, read, count, seed)


def _decoder_trials(model: Translator) -> Iterator[tuple[str, Arrays]]:
    """Yield first steps and later ones, of one token and of several, padded and not."""
    for count, read, before, length in (
        (1, READ, 0, 1),
        (1, 1, 5, 1),
        (3, LONGEST, 0, 1),
        (3, LONGEST, 7, 1),
        (2, READ, 0, 5),
        (9, READ, 2, 3),
    ):
        for seed in SEEDS:
            words = f"batch {count}, source {read}, {before} + {length} tokens, seed {seed}"
            yield words, feeds(model, count, read, before, length, seed)


def _call(model: Translator, **tensors: Any) -> Mapping[str, Any]:
    names = [name for name, _ in cache_names("past_key_values", model.config.decoder_layers)]
    held = [tensors[name] for name in names]
    past = [tuple(held[at : at + 4]) for at in range(0, len(held), 4)]
    logits, present = model.decode(
        tensors["input_ids"],
        tensors["encoder_hidden_states"],
        tensors["encoder_attention_mask"],
        past,
    )
    found = (array for layer in present for array in layer)
    outputs = (name for name, _ in cache_names("present", model.config.decoder_layers))
    return {"logits": logits} | dict(zip(outputs, found, strict=True))


def _cache(config: TranslationConfig, kind: str, lengths: tuple[str, str]) -> tuple[Port, ...]:
    of_target, of_source = lengths
    size = config.width // config.heads
    when = "so far" if kind == "present" else "before"
    found = []
    for name, half in cache_names(kind, config.decoder_layers):
        whose = f"of what is written {when}" if half == "decoder" else "of the source"
        what = "keys" if name.endswith("key") else "values"
        length = of_target if half == "decoder" else of_source
        found.append(_port(name, config.heads, length, size, meaning=f"{what} {whose}"))
    return tuple(found)


def _port(name: str, *axes: int | str, meaning: str, dtype: str = "float32") -> Port:
    return Port(name=name, dtype=dtype, axes=["batch_size", *axes], meaning=meaning)
