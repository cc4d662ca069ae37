"""What each way is asked to do, and how it is told."""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.bundle.manifest import Manifest, read_manifest
from tests.bench.peers.peer import Peer, compete
from tests.bench.turns import ratios
from tests.bench.worker import Work


@dataclass(frozen=True)
class Case:
    """A bundle, and how much is made with it.

    Attributes:
        folder: the bundle.
        variant: of its graph.
        size: bars, or texts.
        threads: for each peer.
    """

    folder: Path
    variant: str
    size: int
    threads: int

    @property
    def manifest(self) -> Manifest:
        """Of the bundle."""
        return read_manifest(self.folder)

    @property
    def graph(self) -> Path:
        """Its file, which the plain loop reads too."""
        return self.folder / self.manifest.variants[self.variant].graphs["model"]


def measure(
    case: Case,
    peers: Sequence[Peer],
    turn: Callable[[Any, Case], Work],
    tasks: Mapping[str, str],
    rounds: int,
) -> Iterator[dict[str, Any]]:
    """Yield a row for each peer and task; of a peer that takes no part, one that says why.

    Args:
        case: what they run.
        peers: the first is ours.
        turn: see `tests.bench.peers.peer.compete`.
        tasks: the unit of each, of which a turn does `case.size`.
        rounds: how often each takes its turn.
    """
    contest = compete(peers, case, turn, list(tasks), rounds)
    same = {"model": f"{case.folder.name}, {case.variant}", "threads": case.threads}
    for task, unit in tasks.items():
        ours = contest.results[peers[0].name][task]
        for way, results in contest.results.items():
            speed = case.size / statistics.median(results[task])
            row = same | {"text": task, "way": way, "unit": unit, "per_second": speed}
            yield row | ratios(ours, results[task]) | vars(contest.parts[way])
    for way, why in contest.absent.items():
        yield same | {"way": way, "absent": why}
