"""A folder as Hugging Face lays it out: `config.json`, safetensors, and what belongs to them.

Nothing is unpickled and no code is run: weights are read as plain numbers, by name, from files that
lie in the folder itself.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401 - with it, numpy knows bfloat16
import numpy as np
from safetensors import SafetensorError, safe_open

from serving.bundle.files import sha256
from serving.errors import first_line
from zoo.checkpoints.checkpoint import Checkpoint, CheckpointError, Tensor

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLED = ("pytorch_model.bin", "pytorch_model.bin.index.json", "consolidated.00.pth")
TYPES = ("F64", "F32", "F16", "BF16")
MOST_TEXT, MOST_TOKENIZER = 8 * 2**20, 256 * 2**20  # bytes; real ones are far smaller
TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")


def open_folder(path: str | Path) -> Checkpoint:
    """Open a folder of Hugging Face; tensors are read when they are asked for.

    Args:
        path: with `config.json`, and `model.safetensors` or the shards that
            `model.safetensors.index.json` lists.

    Raises:
        CheckpointError: a file is missing, cut short, or not what its name says.
    """
    path = Path(path)
    config = _json(path / "config.json")
    files = _weight_files(path)
    settings = _json(path / "tokenizer_config.json", {})
    tokenizer = path / "tokenizer.json"
    return Checkpoint(
        config=config,
        tensors=_tensors(path, files),
        source=path.resolve().name,
        sha256=_hash(path, sorted(set(files.values()))),
        tokenizer=_read(tokenizer, MOST_TOKENIZER) if tokenizer.is_file() else None,
        tokenizer_config=settings,
        chat_template=_chat_template(path, settings),
        generation=_json(
            path / "generation_config.json", {key: config[key] for key in TOKENS if key in config}
        ),
        licence=_licence(path / "README.md"),
    )


# --- weights ---


def _weight_files(path: Path) -> dict[str, str]:
    """Return which file holds each tensor, by the tensor's name."""
    if (path / INDEX).is_file():
        found = _json(path / INDEX).get("weight_map")
        if not isinstance(found, dict) or not found:
            raise CheckpointError(f"{path / INDEX} has no 'weight_map'; fetch the checkpoint again")
        for name, file in found.items():
            if not isinstance(file, str) or file != Path(file).name or file.startswith("."):
                raise CheckpointError(
                    f"{path / INDEX} has '{name}' in {str(file)[:80]!r}, which is no file of the "
                    "folder; fetch the checkpoint again"
                )
        return found
    if (path / WEIGHTS).is_file():
        return dict.fromkeys(_opened(path / WEIGHTS).keys(), WEIGHTS)
    pickled = next((name for name in PICKLED if (path / name).exists()), None)
    if pickled:
        raise CheckpointError(
            f"{path} has its weights in {pickled}, which is a program and is not run; "
            "save them as safetensors"
        )
    raise CheckpointError(f"{path} has no {WEIGHTS} and no {INDEX}; fetch the checkpoint again")


def _tensors(path: Path, files: Mapping[str, str]) -> dict[str, Tensor]:
    """Return all tensors, once every file was found to hold what it should."""
    opened = {file: _opened(path / file) for file in sorted(set(files.values()))}
    held = {file: set(each.keys()) for file, each in opened.items()}
    found = {}
    for name, file in files.items():
        if name not in held[file]:
            raise CheckpointError(
                f"{path / file} has no tensor '{name}', which {INDEX} has there; "
                "fetch the checkpoint again"
            )
        found[name] = _tensor(opened[file], name, path / file)
    unlisted = sorted(set().union(*held.values()) - files.keys())
    if unlisted:
        raise CheckpointError(f"{INDEX} of {path} does not list tensor '{unlisted[0]}' of a shard")
    return found


def _opened(file: Path) -> Any:
    if not file.is_file():
        raise CheckpointError(f"{file} is missing; fetch the checkpoint again")
    try:
        return safe_open(file, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{file} is not whole ({first_line(error)}); fetch the checkpoint again"
        ) from None


def _tensor(file: Any, name: str, where: Path) -> Tensor:
    described = file.get_slice(name)
    kind = described.get_dtype()
    if kind not in TYPES:
        raise CheckpointError(
            f"tensor '{name}' of {where} is of type {kind}; expected one of {', '.join(TYPES)}"
        )

    def read() -> np.ndarray:
        return np.asarray(file.get_tensor(name), np.float32)

    return Tensor(tuple(described.get_shape()), read, kind)


def _hash(path: Path, files: list[str]) -> str:
    hashes = {file: sha256(path / file) for file in files}
    if len(files) == 1:
        return hashes[files[0]]
    lines = "".join(f"{digest}  {file}\n" for file, digest in hashes.items())
    return hashlib.sha256(lines.encode()).hexdigest()


# --- what belongs to them ---


def _chat_template(path: Path, settings: Mapping[str, Any]) -> str | None:
    """Return the template of a file of its own, or else that of the tokenizer's settings."""
    file = path / "chat_template.jinja"
    if file.is_file():
        return _read(file, MOST_TEXT).decode("utf-8", errors="replace")
    found = settings.get("chat_template")
    if isinstance(found, list):  # several, by their names
        named = {each.get("name"): each.get("template") for each in found if isinstance(each, dict)}
        found = named.get("default")
    return found if isinstance(found, str) else None


def _licence(readme: Path) -> str | None:
    """Return the licence that the head of a model card names."""
    if not readme.is_file():
        return None
    head = _read(readme, MOST_TEXT).decode("utf-8", errors="replace").split("\n---", 1)[0]
    if not head.startswith("---"):
        return None
    stated = dict(re.findall(r"^(license(?:_name)?):[ \t]*([^\n#]+)", head, re.MULTILINE))
    named = {key: value.strip().strip("'\"") for key, value in stated.items()}
    if named.get("license") == "other":
        return named.get("license_name", "other")
    return named.get("license") or None


def _json(path: Path, otherwise: dict[str, Any] | None = None) -> dict[str, Any]:
    if otherwise is not None and not path.is_file():
        return otherwise
    with suppress(ValueError, RecursionError):
        found = json.loads(_read(path, MOST_TEXT))
        if isinstance(found, dict):
            return found
    raise CheckpointError(f"{path} is no JSON object; fetch the checkpoint again")


def _read(path: Path, most: int) -> bytes:
    try:
        if path.stat().st_size > most:
            raise CheckpointError(f"{path} is larger than {most} bytes, and no such file")
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise CheckpointError(
            f"{path} cannot be read ({reason}); expected a folder of Hugging Face with it"
        ) from None
