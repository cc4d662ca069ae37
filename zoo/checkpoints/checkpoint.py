"""A checkpoint of somebody else's, whatever kind of file it is in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from serving.errors import GenzooError


class CheckpointError(GenzooError):
    """A checkpoint that cannot be read, is not whole, or is of a model that is not understood."""


@dataclass(frozen=True)
class Tensor:
    """One array of a checkpoint, which is read only when it is asked for.

    Attributes:
        shape: as Hugging Face has it: `(out, in)` of a linear map, whatever the file's order is.
        read: returns it as float32, of that shape.
        stored: the type in the file, such as `F32`, `BF16` or `Q4_1`.
    """

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]
    stored: str = "F32"


@dataclass(frozen=True)
class Checkpoint:
    """What a checkpoint holds, in the words of Hugging Face, whatever kind of file it came in.

    Attributes:
        config: the content of `config.json`, with `model_type`.
        tensors: by Hugging Face's names, such as `model.layers.0.self_attn.q_proj.weight`; rows of
            queries and keys in Hugging Face's order (halves, not pairs side by side).
        source: what it was opened from, to be shown: the name of the folder or file.
        sha256: of the file with the weights; of several, of the lines `HASH  NAME` in the order of
            their names.
        tokenizer: the content of `tokenizer.json`, untouched.
        tokenizer_config: the content of `tokenizer_config.json`, such as `bos_token` and
            `add_bos_token`.
        chat_template: in the language of Jinja.
        generation: the content of `generation_config.json`, such as `eos_token_id`, one or a list.
        licence: as the source names it, such as `apache-2.0`.

    Example:
        >>> one = Tensor((2,), lambda: np.ones(2, np.float32))
        >>> checkpoint = Checkpoint({"model_type": "llama"}, {"x": one}, "tiny", "0" * 64)
        >>> checkpoint.tensors["x"].read().tolist(), checkpoint.licence
        ([1.0, 1.0], None)
    """

    config: dict[str, Any]
    tensors: Mapping[str, Tensor]
    source: str
    sha256: str
    tokenizer: bytes | None = None
    tokenizer_config: dict[str, Any] = field(default_factory=dict)
    chat_template: str | None = None
    generation: dict[str, Any] = field(default_factory=dict)
    licence: str | None = None
