"""GGUF files, the checkpoints of llama.cpp: settings, names and orders of rows put back."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from serving.errors import GenzooError
from zoo.checkpoints.blocks import Blocks, BlockTensor
from zoo.checkpoints.checkpoint import Checkpoint, CheckpointError, Tensor
from zoo.checkpoints.gguf_file import BLOCKED, GGUFFile
from zoo.checkpoints.gguf_tokenizer import tokenizer_of
from zoo.checkpoints.gguf_words import (
    ROTARY_FACTORS,
    Words,
    config_of,
    name_of,
    scaling_of,
    words_of,
)

_SPECIAL = {  # tokens by Hugging Face's names
    "bos_token_id": "tokenizer.ggml.bos_token_id",
    "pad_token_id": "tokenizer.ggml.padding_token_id",
}
_ENDS = ("eos", "eot", "eom")  # of a text, of a turn, of a message
_KEY_ROWS = {"attn_q": "num_attention_heads", "attn_k": "num_key_value_heads"}


def open_gguf(path: str | Path) -> Checkpoint:
    """Open a GGUF file of a Llama, Qwen2, Qwen3, SmolLM3 or GPT-2.

    The file is compared with what it says of itself before anything of it is believed. Its tensors
    are read when they are asked for; those of 4 and 8 bits are `BlockTensor`s, which also give the
    blocks as they are held.

    Raises:
        CheckpointError: there is no such file, it is not whole, or it is of a model that is not
            understood.

    Example:
        >>> open_gguf("missing.gguf")
        Traceback (most recent call last):
        ...
        zoo.checkpoints.checkpoint.CheckpointError: missing.gguf cannot be read: [Errno 2] No such \
file or directory: 'missing.gguf'
    """
    file = GGUFFile(path)
    try:
        return _checkpoint(file)
    except CheckpointError as error:
        if str(error).startswith(str(file.path)):
            raise
        raise CheckpointError(f"{file.path}: {error}") from None


def _checkpoint(file: GGUFFile) -> Checkpoint:
    metadata = file.metadata
    words = words_of(metadata)
    embedding = file.places.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        raise CheckpointError("there is no matrix 'token_embd.weight'")
    config = config_of(metadata, words, file.places, embedding.shape[0])
    if ROTARY_FACTORS in file.places:
        config["rope_scaling"] = _llama_3(file, config)
    special = _special(metadata)
    licence = metadata.get("general.license")
    template = metadata.get("tokenizer.chat_template")
    return Checkpoint(
        config=config | special,
        tensors=_tensors(file, words, config),
        source=file.path.name,
        sha256=file.sha256(),
        tokenizer=_tokenizer(metadata),
        tokenizer_config=_tokenizer_config(metadata),
        chat_template=template if isinstance(template, str) else None,
        generation=special,
        licence=licence if isinstance(licence, str) else None,
    )


def _llama_3(file: GGUFFile, config: Mapping[str, Any]) -> dict[str, Any]:
    if "rope_scaling" in config or "rope_theta" not in config:
        raise CheckpointError(f"tensor '{ROTARY_FACTORS}' beside another scaling is not understood")
    turned = round(config["head_dim"] * config.get("partial_rotary_factor", 1))
    return scaling_of(file.array(ROTARY_FACTORS), turned, config["rope_theta"])


def _tensors(file: GGUFFile, words: Words, config: Mapping[str, Any]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for name, place in file.places.items():
        if name == ROTARY_FACTORS and words.pairs:
            continue
        known = name_of(name, words)
        order = _order(known.part, place.shape[0], words, config)
        turned = known.part in words.transposed and name.endswith(".weight")
        shape = place.shape[::-1] if turned else place.shape
        read = partial(_array, file, name, order, turned)
        if place.kind in BLOCKED and len(place.shape) == 2:
            blocks: Callable[[], Blocks] = partial(_blocks, file, name, order)
            tensors[known.full] = BlockTensor(shape, read, place.kind, blocks)
        else:
            tensors[known.full] = Tensor(shape, read, place.kind)
    return tensors


def _array(file: GGUFFile, name: str, order: np.ndarray | None, turned: bool) -> np.ndarray:
    array = file.array(name)
    array = array if order is None else array[order]
    return np.ascontiguousarray(array.T) if turned else array


def _blocks(file: GGUFFile, name: str, order: np.ndarray | None) -> Blocks:
    blocks = file.blocks(name)
    return blocks if order is None else blocks.reordered(order)


def _order(part: str, rows: int, words: Words, config: Mapping[str, Any]) -> np.ndarray | None:
    """Return where each row of queries or keys in Hugging Face's order lies in the file.

    llama.cpp turns the numbers 2 i and 2 i + 1 of a head together, Hugging Face those half a head
    apart, and whoever converted the model has changed the order of rows for that.
    """
    if not words.pairs or part not in _KEY_ROWS:
        return None
    heads = config.get(_KEY_ROWS[part]) or config["num_attention_heads"]
    if heads < 1 or rows % (2 * heads):
        raise CheckpointError(f"{part} has {rows} rows, which are no {heads} heads")
    pairs = np.arange(rows).reshape(heads, -1, 2)  # (heads, head_size / 2, 2)
    return pairs.swapaxes(1, 2).ravel()


def _special(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return ids of special tokens; of several that end a text, a list."""
    found = {known: metadata[key] for known, key in _SPECIAL.items() if key in metadata}
    keys = (f"tokenizer.ggml.{end}_token_id" for end in _ENDS)
    ends = list(dict.fromkeys(metadata[key] for key in keys if key in metadata))
    if ends:
        found["eos_token_id"] = ends[0] if len(ends) == 1 else ends
    for key, value in found.items():
        for number in value if isinstance(value, list) else [value]:
            if not isinstance(number, int) or isinstance(number, bool) or number < 0:
                raise CheckpointError(f"{key} is {number!r}; expected a token")
    return found


def _tokenizer(metadata: Mapping[str, Any]) -> bytes | None:
    """Return the tokenizer that the file was made with, if it says which."""
    if metadata.get("tokenizer.ggml.model") in (None, "none"):
        return None
    try:
        return tokenizer_of(metadata)
    except GenzooError as error:
        raise CheckpointError(str(error)) from None


def _tokenizer_config(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is added to each text, and which tokens these are."""
    keys = ("add_bos_token", "add_eos_token", "add_space_prefix")
    found = {
        key: metadata[f"tokenizer.ggml.{key}"]
        for key in keys
        if f"tokenizer.ggml.{key}" in metadata
    }
    tokens = metadata.get("tokenizer.ggml.tokens")
    for key, word in (("bos", "bos"), ("eos", "eos"), ("unknown", "unk"), ("padding", "pad")):
        number = metadata.get(f"tokenizer.ggml.{key}_token_id")
        if isinstance(tokens, list) and isinstance(number, int) and 0 <= number < len(tokens):
            found[f"{word}_token"] = tokens[number]
    return found
