"""What `genzoo generate` does once a model is loaded: draw images to a file, or write text."""

import secrets
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from serving.content.image_files import writer
from serving.errors import UsageError
from serving.families.gpt import GPT
from serving.families.images import ImageModel
from serving.files import replacing
from serving.noise import SEED_LIMIT, checked_count, checked_seed

IMAGES, TEXTS = 64, 1  # unless the user says how many
RULE = "\n\n---\n"  # between texts
BATCH = 16  # texts written at once


def generate_images(
    model: ImageModel,
    count: int | None,
    seed: int | None,
    out: str | None,
    label: int | None = None,
    truncation: float = 1.0,
) -> None:
    """Draw images, write them to `out` (`NAME.png` if None) and say so."""
    count = IMAGES if count is None else count
    out = out or f"{model.manifest.name}.png"
    write = writer(out, count, model.image_shape[-1])
    write(model.generate(count, label, seed, truncation))
    images = f"{count} {'image' if count == 1 else 'images'}"
    print(f"{out}: {images} from {_origin(model)}, seed {model.last_seed})")


def generate_text(
    model: GPT,
    count: int | None,
    seed: int | None,
    out: str | None,
    prompt: str | None = None,
    **options: Any,
) -> None:
    """Write on from a prompt, to the terminal as the text comes, or to a file.

    Args:
        model: what writes.
        count: how many texts, of the seeds `seed`, `seed + 1` and so on; 1 if None.
        seed: a fresh one if None.
        out: a file; the terminal if None. A single text goes there as it comes.
        prompt: the beginning of each text; a new line if None.
        options: as `GPT.generate` takes them.
    """
    count = checked_count(TEXTS if count is None else count)
    seed = secrets.randbelow(SEED_LIMIT) if seed is None else checked_seed(seed)
    prompt = model.tokenizer.beginning if prompt is None else prompt
    if out is not None and Path(out).is_dir():
        raise UsageError(f"{out} is a folder; expected the name of a file")
    if count == 1:
        pieces = model.stream(prompt, seed=seed, **options)
    else:
        pieces = _texts(model, prompt, count, seed, options)
    origin = f"{count} {'text' if count == 1 else 'texts'} from {_origin(model)}, seed {seed})"
    if out is None:
        _print([prompt] * (count == 1), pieces)
        print(origin, file=sys.stderr)
        return
    text = "".join([prompt] * (count == 1) + list(pieces))
    with replacing(out) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    print(f"{out}: {origin}")


def _texts(
    model: GPT, prompt: str, count: int, seed: int, options: dict[str, Any]
) -> Iterator[str]:
    """Yield texts with their prompt, and rules between them."""
    for start in range(0, count, BATCH):
        seeds = [(seed + index) % SEED_LIMIT for index in range(start, min(start + BATCH, count))]
        for index, text in enumerate(model.generate([prompt] * len(seeds), seed=seeds, **options)):
            yield ("" if start + index == 0 else RULE) + prompt + text


def _print(*parts: Iterable[str]) -> None:
    """Print pieces as they come; a model may not send commands to the terminal."""
    for part in parts:
        for piece in part:
            shown = (mark if mark.isprintable() or mark in "\n\t" else "\ufffd" for mark in piece)
            print("".join(shown), end="", flush=True)
    print()


def _origin(model: ImageModel | GPT) -> str:
    return f"{model.manifest.name} ({model.variant} on {model.device}"
