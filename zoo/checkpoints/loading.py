"""A model of ours with the weights of a checkpoint."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from serving.errors import UsageError
from zoo.checkpoints.architectures.architecture import Architecture, Slot
from zoo.checkpoints.architectures.gpt2 import GPT2
from zoo.checkpoints.architectures.llama import LLAMA
from zoo.checkpoints.architectures.mistral import MISTRAL
from zoo.checkpoints.architectures.qwen2 import QWEN2
from zoo.checkpoints.architectures.qwen3 import QWEN3
from zoo.checkpoints.architectures.smollm3 import SMOLLM3
from zoo.checkpoints.architectures.stablelm import STABLELM
from zoo.checkpoints.checkpoint import Checkpoint, CheckpointError, Tensor
from zoo.checkpoints.folder import open_folder
from zoo.checkpoints.keys import unknown
from zoo.transformer import GPT, GPTConfig

ARCHITECTURES = {
    each.model_type: each for each in (GPT2, LLAMA, MISTRAL, QWEN2, QWEN3, SMOLLM3, STABLELM)
}
SHOWN = 3  # names in an error


def from_checkpoint(source: str | Path | Checkpoint, context: int | None = None) -> GPT:
    """Build a model of ours with the weights of an open checkpoint.

    Weights are read by name and shape into a class of this project; nothing is unpickled, and no
    code of the checkpoint is run. A key of its configuration that is not understood is an error.

    Args:
        source: a folder of Hugging Face, a GGUF file, or a checkpoint that is open.
        context: most tokens that the model sees at once; those of the checkpoint unless given,
            never more.

    Returns:
        The model, in float32.

    Raises:
        CheckpointError: the checkpoint is not whole, or of a model that is not understood.
        UsageError: there is no such folder or file, or it has no such context.

    Example:
        >>> model = from_checkpoint("checkpoints/SmolLM2-135M-Instruct")  # doctest: +SKIP
        >>> model.num_parameters  # doctest: +SKIP
        134515008
    """
    checkpoint = source if isinstance(source, Checkpoint) else open_checkpoint(source)
    architecture = architecture_of(checkpoint)
    whole = architecture.config(checkpoint.config)
    if context is not None and not 1 <= context <= whole.context:
        raise UsageError(
            f"context is {context}; {checkpoint.source} sees {whole.context} tokens, and this is "
            "how many there can be at most"
        )
    tensors = _checked(checkpoint, architecture, whole)
    model = GPT(whole.model_copy(update={"context": context or whole.context}))
    _fill(model, list(architecture.slots(whole)), tensors)
    return model


def open_checkpoint(source: str | Path) -> Checkpoint:
    """Open a folder of Hugging Face or a GGUF file; raises as `from_checkpoint` does.

    Example:
        >>> open_checkpoint("nowhere.gguf")
        Traceback (most recent call last):
        serving.errors.UsageError: there is no file nowhere.gguf
    """
    path = Path(source).expanduser()
    if path.suffix == ".gguf" and not path.is_dir():
        if not path.is_file():
            raise UsageError(f"there is no file {path}")
        from zoo.checkpoints.gguf import open_gguf

        return open_gguf(path)
    if not path.is_dir():
        raise UsageError(
            f"there is no folder {path}; give a folder of Hugging Face that is on disk, or a .gguf "
            "file"
        )
    return open_folder(path)


def architecture_of(checkpoint: Checkpoint) -> Architecture:
    """Return what is known of a checkpoint's architecture.

    Raises:
        CheckpointError: nobody wrote it down.
    """
    model_type = checkpoint.config.get("model_type")
    if not isinstance(model_type, str) or model_type not in ARCHITECTURES:
        raise unknown(model_type, ARCHITECTURES)
    return ARCHITECTURES[model_type]


def _checked(
    checkpoint: Checkpoint, architecture: Architecture, config: GPTConfig
) -> dict[str, Tensor]:
    """Return the tensors by their full names, all there are and none else, of the right shapes."""
    tensors = _with_prefix(checkpoint.tensors, architecture)
    expected = {
        name: shape
        for slot in architecture.slots(config)
        for name, shape in shapes(slot, config).items()
    }
    tensors = {name: each for name, each in tensors.items() if not architecture.unread.match(name)}
    if config.tied_embeddings and architecture.head in tensors:
        head = tensors.pop(architecture.head)
        embedding = tensors.get(architecture.embedding)
        if embedding is None or not np.array_equal(head.read(), embedding.read()):
            raise CheckpointError(
                f"{checkpoint.source} has tensor '{architecture.head}', though config.json has "
                "tie_word_embeddings, by which it would be the embedding; one of them is wrong"
            )
    for what, names in (
        ("lacks", expected.keys() - tensors.keys()),
        ("has, beside what its config.json tells of,", tensors.keys() - expected.keys()),
    ):
        if names:
            raise CheckpointError(f"{checkpoint.source} {what} {_listed(names)}")
    for name, shape in expected.items():
        if tensors[name].shape != shape:
            raise CheckpointError(
                f"tensor '{name}' of {checkpoint.source} is {_by(tensors[name].shape)}; by its "
                f"config.json it should be {_by(shape)}"
            )
    return tensors


def _with_prefix(tensors: Mapping[str, Tensor], architecture: Architecture) -> dict[str, Tensor]:
    """Return tensors by the names that those of a model with a head have."""
    prefix = architecture.prefix
    if any(name.startswith(prefix) for name in tensors):
        return dict(tensors)
    return {
        name if name == architecture.head else f"{prefix}{name}": each
        for name, each in tensors.items()
    }


def shapes(slot: Slot, config: GPTConfig) -> dict[str, tuple[int, ...]]:
    """Return the shape that each tensor of a slot must have."""
    inputs = {
        "token_embedding/embeddings": config.vocabulary_size,
        "position_embedding/embeddings": config.context,
        "merge/kernel": config.heads * config.head_size,
        "contract/kernel": config.hidden_width,
    }
    found = {}
    for name, size in zip(slot.names, slot.sizes, strict=True):
        if slot.variable.endswith(("kernel", "embeddings")):
            rows = next((n for end, n in inputs.items() if slot.variable.endswith(end)), None)
            shape = (rows or config.width, size)
        else:
            shape = (size,)
        found[name] = shape[::-1] if slot.transposed else shape
    return found


def _fill(model: GPT, slots: list[Slot], tensors: Mapping[str, Tensor]) -> None:
    """Give each variable its values, one at a time."""
    variables = {each.path.partition("/")[2]: each for each in model.trainable_variables}
    for slot in slots:
        variable = variables.pop(slot.variable)
        parts = [tensors[name].read() for name in slot.names]
        value = np.concatenate([part.T if slot.transposed else part for part in parts], axis=-1)
        # Learned positions beyond the context are left out.
        variable.assign(value[: variable.shape[0]])
    if variables:
        raise AssertionError(f"no tensor is known for {', '.join(variables)}")


def _listed(names: set[str]) -> str:
    first = sorted(names)[:SHOWN]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"the tensor{'s' * (len(names) > 1)} {', '.join(map(repr, first))}{more}"


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a number"
