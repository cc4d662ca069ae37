"""Translating with the same weights: ours, and other ways to run them."""

import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.bench.peers.peer import Peer, compete
from tests.bench.turns import ratios
from tests.bench.worker import Work

AGREED = 50  # texts that all must translate alike


@dataclass(frozen=True)
class Case:
    """A bundle of a translator, and what it is asked.

    Attributes:
        folder: the bundle.
        texts: to translate.
        beams: of all peers; 1 takes the likeliest token each time.
        threads: for each peer.
        variant: of ours.
    """

    folder: Path
    texts: tuple[str, ...]
    beams: int
    threads: int
    variant: str = "fp32"

    @property
    def name(self) -> str:
        """What its table is called."""
        return f"{self.folder.name}, {self.variant}, {len(self.texts)} texts, {self.beams} beams"

    @cached_property
    def config(self) -> dict[str, Any]:
        """The sizes of the network, and `d_context`, the most tokens that it takes."""
        part = json.loads((self.folder / "bundle.json").read_text())["parts"]["model"]
        sizes: dict[str, Any] = part["provenance"]["recipe"]["model"]
        return sizes | {"d_context": sizes["context"]}

    @property
    def token(self) -> str:
        """What is put before a source; nothing where there is a single language."""
        languages = json.loads((self.folder / "bundle.json").read_text())["processing"]["languages"]
        first, number = next(iter(languages.items()))
        return "" if number is None else f">>{first}<<"


def measure(
    case: Case, peers: Sequence[Peer], batches: Sequence[int], rounds: int
) -> Iterator[dict[str, Any]]:
    """Yield a row for each peer and batch; of a peer that takes no part, one that says why.

    Args:
        case: what they run.
        peers: the first is ours.
        batches: texts that are translated at once.
        rounds: how often each takes its turn.
    """
    contest = compete(peers, case, turn, batches, rounds)
    same = {"model": case.name, "threads": case.threads}
    for batch in batches:
        ours = contest.results[peers[0].name][batch]
        for way, results in contest.results.items():
            seconds = statistics.median(results[batch])
            row = same | {"batch": batch, "way": way, "unit": "texts"}
            row |= {"per_second": len(case.texts) / seconds} | ratios(ours, results[batch])
            yield row | vars(contest.parts[way])
    for way, why in contest.absent.items():
        yield same | {"way": way, "absent": why}


def turn(load: Callable[[Case], Callable[[list[str]], list[str]]], case: Case) -> Work:
    """Return what translates all texts, so many at once, and returns the seconds that it took."""
    translate = load(case)

    def work(batch: int | None) -> Any:
        if batch is None:
            return translate(list(case.texts[:AGREED]))
        begin = time.perf_counter()
        for start in range(0, len(case.texts), batch):
            translate(list(case.texts[start : start + batch]))
        return time.perf_counter() - begin

    return work
