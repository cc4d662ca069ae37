"""Enlarging photographs with the same weights: ours, and other ways to run them."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from serving.bundle.manifest import Manifest, read_manifest
from serving.photographs.luminance import luminance
from tests.bench.peers.peer import Peer, compete
from tests.bench.turns import ratios
from tests.bench.worker import Work

SIZES = {"224x224": (224, 224), "768x512": (768, 512)}  # width and height before
PHOTOGRAPH, LUMINANCE = "photographs", "luminance"  # what is enlarged
MEGAPIXEL = 1e6

Enlarge = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Case:
    """A bundle of FSRCNN, and what it is asked.

    Attributes:
        bundle: a folder.
        folder: what `files.write` wrote.
        what: PHOTOGRAPH, uint8 `(H, W, 3)` to the same larger, or LUMINANCE, float32
            `(1, H, W, 1)`, from 0 to 1, to the same larger.
        size: of SIZES.
        threads: for each peer.
        seconds: how long one turn takes, about.
    """

    bundle: Path
    folder: Path
    what: str
    size: str
    threads: int
    seconds: float

    @cached_property
    def manifest(self) -> Manifest:
        """What is known of the model."""
        return read_manifest(self.bundle)

    @property
    def scale(self) -> int:
        """Times as high and as wide."""
        return self.manifest.processing["scale"]

    def graph(self, variant: str = "fp32") -> Path:
        """Return the graph of a variant."""
        return self.bundle / self.manifest.variants[variant].graphs["model"]

    def given(self) -> np.ndarray:
        """Return what is to be enlarged."""
        image = Image.effect_mandelbrot(SIZES[self.size], (-2, -1, 0.5, 1), 90).convert("RGB")
        pixels = np.asarray(image)
        if self.what == PHOTOGRAPH:
            return pixels
        return (luminance(pixels)[None] / 255).astype(np.float32)

    @property
    def megapixels(self) -> float:
        """Of the enlarged photograph."""
        width, height = SIZES[self.size]
        return width * height * self.scale**2 / MEGAPIXEL


def measure(case: Case, peers: Sequence[Peer], rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each peer; of a peer that takes no part, one that says why.

    Args:
        case: what they run.
        peers: the first is ours.
        rounds: how often each takes its turn.
    """
    contest = compete(peers, case, turn, [case.size], rounds)
    same = {"model": f"{case.manifest.name}, {case.what}", "threads": case.threads}
    ours = contest.results[peers[0].name][case.size]
    for way, results in contest.results.items():
        seconds = statistics.median(results[case.size]) / case.megapixels
        row = same | {"text": case.size, "way": way, "milliseconds": 1e3 * seconds}
        row |= {"unit": "megapixel"} | ratios(ours, results[case.size])
        yield row | vars(contest.parts[way])
    for way, why in contest.absent.items():
        yield same | {"way": way, "absent": why}


def turn(load: Callable[[Case], Enlarge], case: Case) -> Work:
    """Return what enlarges for a while, and returns the seconds that one photograph takes."""
    enlarge, given = load(case), case.given()

    def timed(repeats: int) -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            enlarge(given)
        return (time.perf_counter() - start) / repeats

    repeats: list[int] = []

    def work(size: str | None) -> Any:
        if size is None:
            return enlarge(given)
        if not repeats:
            repeats.append(max(1, round(case.seconds / timed(2))))
        return timed(repeats[0])

    return work
