"""The samples that a bundle is published with, images or texts, and how far others are from it."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from serving.bundle.manifest import Processing, TextProcessing
from serving.content import pictures

Samples = np.ndarray | list[str]
LEVELS = 1  # of 255: a value next to one half may be rounded either way
TURNS = 1  # texts that may part: where two tokens are all but even, rounding decides between them
RULE = "\n\n---\n"  # between texts


class Distance(NamedTuple):
    """How far samples are from the expected ones, in words, and whether that is rounding."""

    words: str
    is_rounding: bool


def write(samples: Samples, processing: Processing | TextProcessing, directory: Path) -> None:
    """Write `samples.png`, a grid with a column for each class, or `samples.txt`."""
    if isinstance(samples, list):
        text = RULE.join(samples) + "\n"
        (directory / "samples.txt").write_text(text, encoding="utf-8")
        return
    columns = processing.classes or math.isqrt(len(samples))
    pictures.save(pictures.grid(samples, columns), directory / "samples.png")


def compare(samples: Samples, expected: Samples) -> Distance:
    """Compare samples of the same seeds.

    Example:
        >>> compare(["To be, or", "Once"], ["To be, or", "Only"]).words
        '1 of 2 texts like those of Keras, the others for 2 characters at least'
    """
    if isinstance(expected, list):
        return _compare_texts(samples, expected)
    levels = int(np.abs(samples.astype(int) - expected).max())
    return Distance(f"within {levels} of 255 levels of Keras", levels <= LEVELS)


def _compare_texts(samples: list[str], expected: list[str]) -> Distance:
    parted = [pair for pair in zip(samples, expected, strict=True) if pair[0] != pair[1]]
    words = f"{len(expected) - len(parted)} of {len(expected)} texts like those of Keras"
    if parted:
        same = min(_common_length(*pair) for pair in parted)
        words += f", the others for {same} characters at least"
    return Distance(words, len(parted) <= TURNS)


def _common_length(first: str, second: str) -> int:
    """Number of characters at the beginning that two texts share.

    Example:
        >>> _common_length("Once", "Only")
        2
    """
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(first), len(second)))
